"""How the scripted solver fights: the strongest move, medicine in need, a ball for the first partner.

Job: buttons inside battles. Place in the data flow: `scripted.Solver` asks it whenever a battle runs. Left out: when to
heal between battles, which the solver decides.
"""

from __future__ import annotations

from collections.abc import Mapping

from .cartridge.world_types import Move, Position, World
from .scripted_memory import ACTIVE_MEMBER, ENEMY, IN_BATTLE, LIST_TOP, MENU_TOP, OWN, PARTY_COUNT, Fighter, Memory

ACTION_PLACES: Mapping[str, Position] = {"fight": (9, 14), "bag": (9, 16), "mon": (15, 14), "run": (15, 16)}
MOVES_TOP = 13
BALL, POTION, SUPER_POTION = 0x04, 0x14, 0x13
PARTNERS = 2
DESPERATE = 0.3
"""Share of health below which the own creature is healed, or flees."""


class BattleRule:
    """Chooses buttons in battles from the present moment alone.

    Args:
        memory: What the solver sees.
        world: Moves and the type chart.
    """

    def __init__(self, memory: Memory, world: World) -> None:
        self._memory = memory
        self._moves = world.moves
        self._factors = {(attack, defence): factor / 2 for attack, defence, factor in world.type_chart}

    def next_button(self) -> str:
        """The button for the next agent step, which begins inside a battle."""
        cursor = self._memory.cursor()
        if self._memory.page_waits() or cursor is None:
            return "a"
        if cursor in ACTION_PLACES.values():
            return self._action_button(cursor)
        if self._memory.byte(MENU_TOP) == MOVES_TOP:
            return self._move_button(cursor)
        if self._memory.byte(MENU_TOP) == LIST_TOP:
            index = self._memory.bag_index(self._battle_item())
            return "b" if index is None else self._memory.list_button(cursor, index)
        return self._member_button(cursor)

    def _battle_item(self) -> int:
        """The item that the present moment calls for, or 0 for none."""
        own = self._memory.fighter(OWN)
        if own.hp < own.max_hp * DESPERATE:
            for item in (POTION, SUPER_POTION):
                if self._memory.item_count(item):
                    return item
        alone = self._memory.byte(PARTY_COUNT) < PARTNERS
        if alone and self._memory.byte(IN_BATTLE) == 1 and self._memory.item_count(BALL) and own.hp:
            return BALL
        return 0

    def _action_button(self, cursor: Position) -> str:
        own = self._memory.fighter(OWN)
        action = "fight"
        if self._battle_item():
            action = "bag"
        elif self._memory.byte(IN_BATTLE) == 1 and own.hp < own.max_hp * DESPERATE:
            action = "run"
        column, row = ACTION_PLACES[action]
        if cursor[0] != column:
            return "right" if cursor[0] < column else "left"
        if cursor[1] != row:
            return "down" if cursor[1] < row else "up"
        return "a"

    def _move_button(self, cursor: Position) -> str:
        own, enemy = self._memory.fighter(OWN), self._memory.fighter(ENEMY)
        usable = [slot for slot in range(4) if own.moves[slot] and own.pp[slot] & 63]
        if not usable:
            return "b"
        best = max(usable, key=lambda slot: self._promise(own, enemy, own.moves[slot]))
        current = cursor[1] - MOVES_TOP
        if current == best:
            return "a"
        return "down" if current < best else "up"

    def _promise(self, own: Fighter, enemy: Fighter, number: int) -> float:
        """Expected damage of a move, in arbitrary units."""
        move: Move = self._moves[number - 1]
        value = move.power * move.accuracy * (1.5 if move.type in own.types else 1.0)
        for kind in set(enemy.types):
            value *= self._factors.get((move.type, kind), 1.0)
        return value

    def _member_button(self, cursor: Position) -> str:
        """In the party screen: whoever is in battle when a potion is meant, else the first who can fight."""
        wanted = self._memory.byte(ACTIVE_MEMBER)
        if self._memory.member_health(wanted) == 0:
            wanted = next((i for i in range(self._memory.byte(PARTY_COUNT)) if self._memory.member_health(i) > 0), 0)
        current = cursor[1] // 2
        if current == wanted:
            return "a"
        return "down" if current < wanted else "up"
