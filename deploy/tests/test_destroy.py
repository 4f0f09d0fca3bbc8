"""`make destroy` takes back what `make deploy` made, says what it leaves, and can be run again."""

from .harness import DeployTest


class Destroy(DeployTest):
    def test_it_deletes_what_was_made_and_says_what_it_leaves(self) -> None:
        self.succeed("deploy")
        self.succeed("deploy", "--one")
        self.scf.polls = 3
        printed = self.succeed("destroy")
        self.assertEqual({}, self.scf.held)
        self.assertIn("Left as they are: the namespace default", printed)
        self.assertEqual(4, printed.count("DeleteFunction"))

    def test_it_can_be_run_again(self) -> None:
        self.succeed("deploy")
        self.succeed("destroy")
        self.scf.calls.clear()
        self.assertEqual(4, self.succeed("destroy").count(": not there"))
        self.assertEqual([], self.scf.names())

    def test_it_leaves_what_it_did_not_make(self) -> None:
        self.succeed("deploy")
        self.held("t-cleanup").shown["Description"] = "foreign"
        self.held("t-transfer").shown["Description"] = ""
        self.succeed("deploy", "--adopt")
        self.held("t-cleanup").shown["Description"] = "foreign again"
        printed = self.succeed("destroy")
        self.assertIn("t-cleanup: left: `make deploy` did not make it", printed)
        self.assertIn("t-transfer: left: it was there before", printed)
        self.assertEqual({"t-cleanup", "t-transfer"}, {name for _, name in self.scf.held})

    def test_a_failure_in_the_middle_says_what_was_done_and_the_next_run_does_the_rest(self) -> None:
        self.succeed("deploy")
        self.scf.refuse("DeleteFunction", "FailedOperation.DeleteFunction", "a trigger is bound", name="-transfer")
        error = self.fails("destroy")
        self.assertIn("DeleteFunction failed: FailedOperation.DeleteFunction", error)
        self.assertIn("done so far DeleteFunction t-register", error)
        self.succeed("destroy")
        self.assertEqual({}, self.scf.held)

    def test_a_dry_run_sends_nothing(self) -> None:
        self.succeed("deploy")
        self.scf.calls.clear()
        self.assertIn("DeleteFunction", self.succeed("destroy", "--dry"))
        self.assertEqual([], self.scf.calls)
