"""What goes wrong is said with code, message, request id and remedy, and the same command again completes it."""

from .harness import CREDENTIALS, DeployTest


class Failures(DeployTest):
    def test_a_creation_that_takes_a_while_is_waited_for(self) -> None:
        self.scf.polls = 4
        self.succeed("deploy", "--one")
        # SCF refuses changes while one is under way, so an impatient client would fail here.
        self.code("second")
        self.succeed("deploy", "--one")
        self.assertEqual(["CreateFunction", "UpdateFunctionCode", "UpdateFunctionConfiguration"], self.scf.names())
        self.assertEqual([], [name for name, held in self.scf.held.items() if held.shown["Status"] != "Active"])

    def test_a_creation_that_never_ends_is_given_up(self) -> None:
        self.scf.polls = 1_000_000
        text = (self.folder / "deploy.toml").read_text().replace("seconds = 30", "seconds = 0.5")
        (self.folder / "deploy.toml").write_text(text)
        error = self.fails("deploy")
        self.assertIn("t-register is still Creating after 0.5 s", error)
        self.assertIn("done so far CreateFunction t-register", error)

    def test_a_function_that_ends_in_createfailed_shows_the_reason_and_is_made_anew_the_next_time(self) -> None:
        self.scf.outcomes["t-transfer"] = ("CreateFailed", "the subnet has no address left")
        error = self.fails("deploy")
        self.assertIn(
            "t-transfer is CreateFailed (InvalidParameterValue.CreateFailed: the subnet has no address left)", error
        )
        self.assertIn("done so far CreateFunction t-register, CreateFunction t-transfer", error)
        self.scf.calls.clear()
        printed = self.succeed("deploy")
        self.assertEqual(["DeleteFunction", "CreateFunction", "CreateFunction"], self.scf.names())
        self.assertIn("t-register: unchanged", printed)
        self.assertIn("t-transfer: its creation failed earlier (", printed)

    def test_an_update_that_fails_is_sent_again_the_next_time(self) -> None:
        self.succeed("deploy", "--one")
        self.settings(one="timeout = 5")
        self.scf.outcomes["t-one"] = ("UpdateFailed", "out of luck")
        error = self.fails("deploy", "--one")
        self.assertIn("t-one is UpdateFailed (InvalidParameterValue.UpdateFailed: out of luck)", error)
        self.scf.calls.clear()
        self.succeed("deploy", "--one")
        self.assertEqual(["UpdateFunctionCode", "UpdateFunctionConfiguration"], self.scf.names())
        self.assertEqual("Active", self.held("t-one").shown["Status"])

    def test_throttling_is_waited_out(self) -> None:
        self.scf.refuse("GetFunction", "RequestLimitExceeded", "slow down", times=2)
        self.scf.refuse("CreateFunction", "RequestLimitExceeded.UinLimitExceeded", "slow down", times=1)
        printed = self.succeed("deploy", "--one")
        self.assertIn("GetFunction: RequestLimitExceeded; again in 0.01 s", printed)
        self.assertIn("CreateFunction: RequestLimitExceeded.UinLimitExceeded; again in", printed)
        self.assertEqual(1, len(self.scf.held))

    def test_throttling_without_end_is_an_error(self) -> None:
        self.scf.refuse("GetFunction", "RequestLimitExceeded", "slow down", times=1000)
        error = self.fails("deploy", "--one")
        self.assertIn("too many calls at once: wait a minute and run it again", error)
        self.assertLess(len(self.scf.calls), 20)

    def test_a_function_that_is_busy_after_all_is_waited_for(self) -> None:
        self.succeed("deploy", "--one")
        self.scf.refuse("UpdateFunctionConfiguration", "FailedOperation.FunctionStatusError", "being updated")
        self.settings(one="memory = 256")
        self.succeed("deploy", "--one")
        self.assertEqual(256, self.held("t-one").shown["MemorySize"])

    def test_a_failure_in_the_middle_says_what_was_done_and_the_next_run_does_the_rest(self) -> None:
        self.scf.refuse("CreateFunction", "LimitExceeded.Function", "quota of\n50 functions", name="-cleanup")
        error = self.fails("deploy")
        self.assertIn("CreateFunction failed: LimitExceeded.Function\n", error)
        self.assertIn("  message     quota of\n50 functions\n", error)
        self.assertRegex(error, r"  request id  request-\d+\n")
        self.assertIn("  what to do  the account's quota is used up", error)
        self.assertIn("done so far CreateFunction t-register, CreateFunction t-transfer; the same command", error)
        self.scf.calls.clear()
        self.succeed("deploy")
        self.assertEqual(["CreateFunction"], self.scf.names())
        self.assertEqual(3, len(self.scf.held))

    def test_code_that_arrived_without_its_digest_is_sent_again(self) -> None:
        self.succeed("deploy")
        self.code("second")
        self.scf.refuse("UpdateFunctionConfiguration", "InternalError.System", "sorry", name="-register")
        self.assertIn("done so far UpdateFunctionCode t-register", self.fails("deploy"))
        self.scf.calls.clear()
        self.succeed("deploy")
        self.assertEqual(["UpdateFunctionCode", "UpdateFunctionConfiguration"] * 3, self.scf.names())

    def test_a_foreign_function_is_not_touched_unless_it_may_be_taken_over(self) -> None:
        self.succeed("deploy")
        self.held("t-transfer").shown["Description"] = "the chat of the shop, do not touch"
        self.code("second")
        self.scf.calls.clear()
        error = self.fails("deploy")
        self.assertIn("there is a function t-transfer already that `make deploy` did not make", error)
        self.assertIn("ADOPT=1", error)
        changed = {parameters["FunctionName"] for action, parameters in self.scf.calls if action != "GetFunction"}
        self.assertEqual({"t-register"}, changed)

        self.succeed("deploy", "--adopt")
        self.assertTrue(self.held("t-transfer").shown["Description"].startswith("Adopted by make deploy"))
        self.scf.calls.clear()
        self.succeed("deploy")
        self.assertEqual([], self.scf.names(), "once taken over it needs no more permission")

    def test_a_function_of_another_runtime_cannot_be_taken_over(self) -> None:
        self.succeed("deploy", "--one")
        self.held("t-one").shown |= {"Description": "", "Runtime": "Python3.9"}
        self.scf.calls.clear()
        error = self.fails("deploy", "--one", "--adopt")
        self.assertIn("has the runtime Python3.9, type Event, which cannot be changed", error)
        self.assertEqual([], self.scf.names())

    def test_missing_credentials_are_named(self) -> None:
        error = self.fails("deploy", environment={})
        self.assertIn("tccli has no credentials", error)
        self.assertIn("run `tccli configure` once, or set TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY", error)
        self.assertIn("done so far nothing", error)
        self.assertEqual([], self.scf.calls)

    def test_a_namespace_that_is_not_there_is_named(self) -> None:
        self.settings(top='namespace = "nowhere"')
        error = self.fails("deploy")
        self.assertIn("ResourceNotFound.Namespace", error)
        self.assertIn("tccli scf CreateNamespace", error)

    def test_an_account_without_permission_is_told_which_policy_it_needs(self) -> None:
        self.scf.refuse("GetFunction", "UnauthorizedOperation.CAM", "you are not authorized")
        self.assertIn("QcloudSCFFullAccess", self.fails("deploy"))

    def test_no_network_is_said(self) -> None:
        self.scf.close()
        error = self.fails("deploy")
        self.assertIn("ClientNetworkError", error)
        self.assertIn("request id  none: the call did not reach SCF", error)

    def test_a_tccli_that_is_not_there_is_said(self) -> None:
        done = self.run_command("deploy", environment=CREDENTIALS, program=self.folder / "nothing")
        self.assertEqual(1, done.returncode)
        self.assertIn("NoTccli", done.stderr)

    def test_a_setting_that_does_not_arrive_is_said(self) -> None:
        self.scf.ignored = {"InitTimeout"}
        self.settings(one="init_timeout = 30")
        printed = self.succeed("deploy", "--one")
        self.assertIn("t-one: warning: SCF did not take over InitTimeout 65 -> 30; tccli may be too old", printed)
        self.assertIn("t-one: warning: SCF did not take over", self.succeed("deploy", "--one"))
