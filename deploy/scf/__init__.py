"""What `make deploy` consists of. A deployment goes one way:

settings reads deploy.toml -> functions says what SCF should hold -> steps compares and calls -> tccli sends.
"""
