"""The real tccli against a stand-in for SCF on loopback. Run by `make test-deploy`."""
