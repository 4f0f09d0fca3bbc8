"""Checks calls and answers against the description of SCF's API that tccli's own package contains."""

import json
from pathlib import Path
from typing import Any, Iterator

TYPES = {"string": str, "int": int, "bool": bool, "float": (int, float), "datetime": str}


class Schema:
    def __init__(self, tccli: Path) -> None:
        """`tccli` is the program in the `bin` of its virtual environment."""
        (file,) = tccli.parent.parent.glob("lib/python3*/site-packages/tccli/services/scf/v20180416/api.json")
        description = json.loads(file.read_text(encoding="utf-8"))
        self.actions = description["actions"]
        self.objects = description["objects"]

    def check_call(self, action: str, parameters: Any) -> list[str]:
        if action not in self.actions:
            return [f"{action} is no action of SCF"]
        return list(self._object(self.actions[action]["input"], parameters, action))

    def check_answer(self, action: str, answer: Any) -> list[str]:
        return list(self._object(self.actions[action]["output"], answer, f"answer to {action}"))

    def _object(self, name: str, value: Any, where: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{where} is {value!r} and not an object"
            return
        members = {member["name"]: member for member in self.objects[name]["members"]}
        for key in value.keys() - members.keys():
            yield f"{where}.{key} is not in the schema"
        for key, member in members.items():
            if key in value:
                yield from self._member(member, value[key], f"{where}.{key}")
            elif member.get("required"):
                yield f"{where}.{key} is required and missing"

    def _member(self, member: dict[str, Any], value: Any, where: str) -> Iterator[str]:
        kind = member["type"]
        if value is None and member.get("value_allowed_null"):
            return
        if kind == "list":
            if not isinstance(value, list):
                yield f"{where} is {value!r} and not a list"
                return
            for index, item in enumerate(value):
                yield from self._value(member["member"], item, f"{where}[{index}]")
        else:
            yield from self._value(member["member"] if kind == "object" else kind, value, where)

    def _value(self, kind: str, value: Any, where: str) -> Iterator[str]:
        if kind in self.objects:
            yield from self._object(kind, value, where)
        elif not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "bool"):
            yield f"{where} is {value!r} and not of type {kind}"
