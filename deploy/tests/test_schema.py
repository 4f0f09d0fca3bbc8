"""The checks that the other tests rely on notice what they are there for."""

from .harness import DeployTest

RIGHT = {"FunctionName": "name", "Code": {"ZipFile": "UEs="}, "MemorySize": 128}


class SchemaChecks(DeployTest):
    def found(self, action: str = "CreateFunction", **changes: object) -> list[str]:
        return self.scf.schema.check_call(action, {**RIGHT, **changes})

    def test_a_right_call_passes(self) -> None:
        self.assertEqual([], self.found(Environment={"Variables": [{"Key": "A", "Value": "b"}]}))

    def test_names_and_types_are_checked_at_every_depth(self) -> None:
        for expected, changes in (
            ("CreateFunction.Memory is not in the schema", {"Memory": 128}),
            ("CreateFunction.MemorySize is '128' and not of type int", {"MemorySize": "128"}),
            ("CreateFunction.MemorySize is True and not of type int", {"MemorySize": True}),
            ("CreateFunction.Code.Zip is not in the schema", {"Code": {"Zip": "UEs="}}),
            ("CreateFunction.Code is 'UEs=' and not an object", {"Code": "UEs="}),
            ("CreateFunction.Environment.Variables is {} and not a list", {"Environment": {"Variables": {}}}),
            (
                "CreateFunction.Environment.Variables[0].Value is 1 and not of type string",
                {"Environment": {"Variables": [{"Key": "A", "Value": 1}]}},
            ),
            ("CreateFunction.CfsConfig.CfsInsList is required and missing", {"CfsConfig": {}}),
        ):
            with self.subTest(expected):
                self.assertEqual([expected], self.found(**changes))

    def test_actions_and_answers_are_checked(self) -> None:
        self.assertEqual(["MakeFunction is no action of SCF"], self.found("MakeFunction"))
        self.assertEqual(
            ["answer to GetFunction.CodeSha256 is not in the schema"],
            self.scf.schema.check_answer("GetFunction", {"CodeSha256": "00"}),
        )
