"""Reading old pickles without unpickling them.

Job: a pickle is a program for a small machine; this is such a machine that knows only the instructions which build
plain values: numbers, texts, bytes, lists, tuples, dicts, and through `migrate_values` arrays. It imports nothing and
calls nothing that the pickle names. Place in the data flow: runs in a process of its own (`migrate_reader`), below the
migration of older runs. Left out: instances of classes, sets, persistent ids, extension codes; all of them are refused.

Source: the instructions are described in the standard library's `pickletools`, which also takes the bytes apart here.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gamefleet.weights.migrate_values import Name, RefusedError, Unfinished, build, call, find

MOST_STEPS = 5_000_000
MOST_BITS = 128
"""Of an integer."""

MOST_VALUES, DEEPEST = 300_000, 64
"""Of the result, counted as often as they are reached: a pickle can refer to one list any number of times."""

_MARK = Unfinished("mark")


def read_pickle(data: bytes) -> Any:
    """The plain value that a pickle stands for; arrays are NumPy's, tuples stay tuples.

    Raises:
        RefusedError: It is no pickle, is damaged, or holds anything that is not plain.
    """
    machine = _Machine()
    try:
        for number, (instruction, argument, _) in enumerate(pickletools.genops(data)):
            if number >= MOST_STEPS:
                raise RefusedError(f"more than {MOST_STEPS} instructions")
            if instruction.name == "STOP":
                break
            machine.step(instruction.name, argument)
    # What pickletools says of bytes that are no pickle, and lists that are shorter than an instruction expects.
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise RefusedError(f"no readable pickle: {str(error)[:100]}") from error
    return machine.result()


def check_plain(value: Any, depth: int = 0) -> int:
    """Count the values below one, itself included.

    Raises:
        RefusedError: There are too many, too deep ones, or ones that are not plain.
    """
    if depth > DEEPEST:
        raise RefusedError(f"values within values, more than {DEEPEST} deep")
    if isinstance(value, dict):
        inner = [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple):
        inner = list(value)
    elif value is None or isinstance(value, bool | int | float | str | bytes | bytearray | np.ndarray):
        return 1
    else:
        raise RefusedError(f"an unfinished {type(value).__name__}")
    total = 1
    for one in inner:
        total += check_plain(one, depth + 1)
        if total > MOST_VALUES:
            raise RefusedError(f"more than {MOST_VALUES} values")
    return total


class _Machine:
    """The stack and the memo of one pickle."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        """Do one instruction.

        Raises:
            RefusedError: It builds something that is not plain.
        """
        if name in _IGNORED:
            return
        if name in _ARGUMENTS:
            self._push_argument(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name]())
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        else:
            raise RefusedError(f"the instruction {name}, which plain values do not need")

    def result(self) -> Any:
        """The one value that is left.

        Raises:
            RefusedError: There is none, or more.
        """
        if len(self._stack) != 1:
            raise RefusedError("no readable pickle: it ends in the middle")
        check_plain(self._stack[0])
        return self._stack[0]

    def _push_argument(self, argument: Any) -> None:
        if isinstance(argument, int) and argument.bit_length() > MOST_BITS:
            raise RefusedError(f"an integer of more than {MOST_BITS} bits")
        self._stack.append(argument)

    def pop(self, _: Any = None) -> Any:
        """Take the uppermost value."""
        value = self._stack.pop()
        if value is _MARK:
            raise RefusedError("no readable pickle: a mark where a value belongs")
        return value

    def pop_to_mark(self, _: Any = None) -> list[Any]:
        """Take all values above the uppermost mark, and the mark."""
        for place in range(len(self._stack) - 1, -1, -1):
            if self._stack[place] is _MARK:
                values = self._stack[place + 1 :]
                del self._stack[place:]
                return values
        raise RefusedError("no readable pickle: a mark is missing")

    def push(self, value: Any) -> None:
        """Put a value on top."""
        self._stack.append(value)

    def top(self, kind: type) -> Any:
        """The uppermost value, which must be of a kind."""
        value = self._stack[-1]
        if type(value) is not kind:
            raise RefusedError(f"items for something that is no {kind.__name__}")
        return value

    def tuple_of(self, length: int) -> None:
        """Make a tuple of the uppermost values."""
        values = [self.pop() for _ in range(length)]
        self.push(tuple(reversed(values)))

    def set_items(self, items: list[Any]) -> None:
        """Put keys and values in turns into the uppermost dict."""
        target = self.top(dict)
        if len(items) % 2:
            raise RefusedError("no readable pickle: a key without a value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str | int | float | bool | None):
                raise RefusedError(f"a key that is a {type(key).__name__}")
            target[key] = value

    def remember(self, place: int | None) -> None:
        """Keep the uppermost value under a number."""
        value = self._stack[-1]
        if value is _MARK:
            raise RefusedError("no readable pickle: a mark in the memo")
        number = len(self._memo) if place is None else place
        self._memo[number] = value
        if isinstance(value, Unfinished):
            value.places.append(number)

    def recall(self, place: int) -> None:
        """Put a kept value on top."""
        self.push(self._memo[place])

    def find_global(self, argument: str) -> None:
        """A name that stands in the instruction itself."""
        module, _, name = argument.partition(" ")
        self.push(find(module, name))

    def find_on_stack(self) -> None:
        """A name that lies on the stack."""
        name, module = self.pop(), self.pop()
        self.push(find(module, name))

    def reduce(self) -> None:
        """Call a name of the table."""
        arguments, name = self.pop(), self.pop()
        if not isinstance(name, Name):
            raise RefusedError("a call of something that has no name")
        self.push(call(name, arguments))

    def build(self) -> None:
        """Finish an array; whoever refers to the unfinished one is refused at the end."""
        state, target = self.pop(), self.pop()
        finished = build(target, state)
        for place in target.places:
            self._memo[place] = finished
        self.push(finished)


_IGNORED = frozenset({"PROTO", "FRAME"})

_ARGUMENTS = frozenset(
    {
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    }
)

_CONSTANTS: Mapping[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "MARK": lambda: _MARK,
}


def _dict(machine: _Machine, _: Any) -> None:
    items = machine.pop_to_mark()
    machine.push({})
    machine.set_items(items)


_ACTIONS: Mapping[str, Callable[[_Machine, Any], object]] = {
    "POP": _Machine.pop,
    "POP_MARK": _Machine.pop_to_mark,
    "LIST": lambda machine, _: machine.push(machine.pop_to_mark()),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.pop_to_mark())),
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "DICT": _dict,
    "APPEND": lambda machine, _: (value := machine.pop(), machine.top(list).append(value)),
    "APPENDS": lambda machine, _: (values := machine.pop_to_mark(), machine.top(list).extend(values)),
    "SETITEM": lambda machine, _: machine.set_items([*reversed([machine.pop(), machine.pop()])]),
    "SETITEMS": lambda machine, _: machine.set_items(machine.pop_to_mark()),
    "GET": _Machine.recall,
    "BINGET": _Machine.recall,
    "LONG_BINGET": _Machine.recall,
    "PUT": _Machine.remember,
    "BINPUT": _Machine.remember,
    "LONG_BINPUT": _Machine.remember,
    "MEMOIZE": _Machine.remember,
    "GLOBAL": _Machine.find_global,
    "STACK_GLOBAL": lambda machine, _: machine.find_on_stack(),
    "REDUCE": lambda machine, _: machine.reduce(),
    "BUILD": lambda machine, _: machine.build(),
}
