"""The columns of a row: everything a spectator of a battle knows, in `WIDTH` int16 numbers.

Job: name the columns, so that the state, the traces on disk and the observations agree. Place in the data flow: a leaf;
`state` writes rows, `replays.trace` stores them, `observe` reads them. Left out: what the ids mean (`tables`).

A row is twelve blocks of one Pokémon each (side 0's six team slots, then side 1's), two blocks of one side each, and
one block for the whole field:

    row[mon_at(side, slot) + HP_PERMILLE]     row[side_at(side) + SPIKES]     row[FIELD + TURN]

Team slots are in the order of the team preview, else of appearance, and never change within a battle. An id of 0 means
unknown; items, abilities and types have 1 for "known to be none".
"""

from __future__ import annotations

from typing import Final

NUM_SIDES: Final = 2
TEAM_SIZE: Final = 6
NUM_MONS: Final = NUM_SIDES * TEAM_SIZE
NUM_MOVES: Final = 4

# -- one Pokémon -------------------------------------------------------------------------------------------------------
SPECIES: Final = 0
"""Species id as it looks now: after forme changes and Transform. 0 = this team slot was never shown."""
BASE_SPECIES: Final = 1
"""Species id of the team member: a lasting forme change (Mega Evolution) changes it, Transform does not."""
HP_PERMILLE: Final = 2
"""As the spectator sees it: whole per cents, or 48ths in older formats."""
STATUS: Final = 3
"""One of `STATUSES`."""
STATUS_TURNS: Final = 4
"""Asleep: turns lost so far. Badly poisoned: turns of damage since the last switch."""
ITEM: Final = 5
LOST_ITEM: Final = 6
"""The item it last lost: eaten, used up, knocked off."""
ABILITY: Final = 7
"""In force now."""
BASE_ABILITY: Final = 8
"""Its own, which returns when it leaves the field."""
TERA_TYPE: Final = 9
FLAGS: Final = 10
"""Bits `FLAG_*`."""
LEVEL: Final = 11
GENDER: Final = 12
"""0 unknown, 1 none, 2 male, 3 female."""
MOVES: Final = 13
"""Four ids of own moves, in the order in which they were shown."""
PP_USED: Final = 17
"""PP spent on each of `MOVES`."""
TYPES: Final = 21
"""Three types while they are changed, else 0: two and an added third."""
MON_WIDTH: Final = 24

FLAG_SEEN: Final = 1
FLAG_ACTIVE: Final = 2
FLAG_FAINTED: Final = 4
FLAG_TERASTALLIZED: Final = 8
FLAG_MEGA: Final = 16
"""Mega Evolution, Primal Reversion or Ultra Burst."""
FLAG_DYNAMAXED: Final = 32
FLAG_TRANSFORMED: Final = 64
FLAG_GIGANTAMAX: Final = 128
FLAG_REVIVED: Final = 256

STATUSES: Final = ("", "brn", "par", "slp", "frz", "psn", "tox", "fnt")

# -- one side ----------------------------------------------------------------------------------------------------------
SIDES: Final = NUM_MONS * MON_WIDTH
BOOSTS: Final = 0
"""Seven stages, -6 to 6, in the order of `BOOST_NAMES`."""
ACTIVE: Final = 7
"""Team slot of the active Pokémon, -1 before the first appears."""
LAST_MOVE: Final = 8
"""The move this side's active Pokémon used last since it came in."""
MUST_SWITCH: Final = 9
"""0 no; 1 this side sends in another Pokémon at this decision; 2 it chooses which fainted one revives."""
NUM_FAINTED: Final = 10
TEAM_COUNT: Final = 11
"""Pokémon this side brought, 0 while unknown."""
GIMMICKS_USED: Final = 12
"""Bits `GIMMICK_*`."""
DYNAMAX_TURNS: Final = 13
"""Turns the Dynamax has lasted, 1 in its first."""
ENCORED_MOVE: Final = 14
LOCKED_MOVE: Final = 15
"""The move that must be repeated or finished: charging, rampaging, rolling, trapping in the first generation."""
DISABLED_MOVE: Final = 16
MIMICKED_MOVE: Final = 17
MOVE_SOURCE: Final = 18
"""While transformed: 1 + number (0-11) of the Pokémon whose moves are in use; else 0."""
TRANSFORM_PP_USED: Final = 19
"""PP spent, while transformed, on each of the moves of that Pokémon's `MOVES`."""
TURNS_ACTIVE: Final = 23
"""Whole turns since the active Pokémon came in."""
PROTECT_STREAK: Final = 24
"""Protecting moves in a row that worked."""
PERISH: Final = 25
"""Perish count that was shown last, plus 1; 0 = none."""
STOCKPILE: Final = 26
CONFUSION_TURNS: Final = 27
TAUNT_TURNS: Final = 28
ENCORE_TURNS: Final = 29
DISABLE_TURNS: Final = 30
LOCKED_TURNS: Final = 31
FALLEN: Final = 32
"""Fallen allies that Supreme Overlord counted."""
FUTURE_MOVE_TURNS: Final = 33
"""Turns since Future Sight or Doom Desire was aimed at this side, 1 in the first; 0 = none."""
WISH_TURNS: Final = 34
VOLATILES: Final = 35
"""Words of `WORD_BITS` bits: number n of `tables.volatiles` is bit `n % WORD_BITS` of word `n // WORD_BITS`."""
VOLATILE_WORDS: Final = 8
WORD_BITS: Final = 15
CONDITIONS: Final = VOLATILES + VOLATILE_WORDS
"""One column per entry of `SIDE_CONDITIONS`: layers for hazards, else turns so far (1 in the first)."""

SIDE_CONDITIONS: Final = (
    "spikes",
    "toxicspikes",
    "stealthrock",
    "stickyweb",
    "gmaxsteelsurge",
    "reflect",
    "lightscreen",
    "auroraveil",
    "safeguard",
    "mist",
    "tailwind",
    "luckychant",
    "waterpledge",
    "firepledge",
    "grasspledge",
    "gmaxwildfire",
    "gmaxvolcalith",
    "gmaxvinelash",
    "gmaxcannonade",
)
HAZARDS: Final = frozenset(SIDE_CONDITIONS[:5])
SPIKES: Final = CONDITIONS
TOXIC_SPIKES: Final = CONDITIONS + 1
STEALTH_ROCK: Final = CONDITIONS + 2
STICKY_WEB: Final = CONDITIONS + 3
STEELSURGE: Final = CONDITIONS + 4
REFLECT: Final = CONDITIONS + 5
LIGHT_SCREEN: Final = CONDITIONS + 6
AURORA_VEIL: Final = CONDITIONS + 7
SAFEGUARD: Final = CONDITIONS + 8
MIST: Final = CONDITIONS + 9
TAILWIND: Final = CONDITIONS + 10
LUCKY_CHANT: Final = CONDITIONS + 11
WATER_PLEDGE: Final = CONDITIONS + 12
FIRE_PLEDGE: Final = CONDITIONS + 13
GRASS_PLEDGE: Final = CONDITIONS + 14
WILDFIRE: Final = CONDITIONS + 15
VOLCALITH: Final = CONDITIONS + 16
VINE_LASH: Final = CONDITIONS + 17
CANNONADE: Final = CONDITIONS + 18
SIDE_WIDTH: Final = CONDITIONS + len(SIDE_CONDITIONS)

BOOST_NAMES: Final = ("atk", "def", "spa", "spd", "spe", "accuracy", "evasion")

GIMMICK_MEGA: Final = 1
GIMMICK_ULTRA_BURST: Final = 2
GIMMICK_Z_MOVE: Final = 4
GIMMICK_DYNAMAX: Final = 8
GIMMICK_TERASTALLIZE: Final = 16

# -- the field ---------------------------------------------------------------------------------------------------------
FIELD: Final = SIDES + NUM_SIDES * SIDE_WIDTH
TURN: Final = 0
GENERATION: Final = 1
WEATHER: Final = 2
"""Id in `tables.weathers`."""
WEATHER_TURNS: Final = 3
"""Turns so far, 1 in the first, as for all that lasts a number of turns."""
TERRAIN: Final = 4
"""Id in `tables.terrains`."""
TERRAIN_TURNS: Final = 5
TRICK_ROOM: Final = 6
MAGIC_ROOM: Final = 7
WONDER_ROOM: Final = 8
GRAVITY: Final = 9
MUD_SPORT: Final = 10
WATER_SPORT: Final = 11
FAIRY_LOCK: Final = 12
PHASE: Final = 13
"""`PHASE_TURN`, or `PHASE_SWITCH` when only replacements (or a revival) are chosen."""
PREVIEW: Final = 14
"""1 when both teams were shown before the battle."""
PERCENT: Final = 15
"""1 when HP are shown as per cents, 0 when as 48ths."""
FIELD_WIDTH: Final = 16

PHASE_TURN: Final = 0
PHASE_SWITCH: Final = 1
FIELD_EFFECTS: Final = ("trickroom", "magicroom", "wonderroom", "gravity", "mudsport", "watersport", "fairylock")

WIDTH: Final = FIELD + FIELD_WIDTH

# -- the team table (`Trace.teams`) ------------------------------------------------------------------------------------
TEAM_SPECIES: Final = 0
TEAM_LEVEL: Final = 1
TEAM_GENDER: Final = 2
TEAM_ITEM: Final = 3
TEAM_ABILITY: Final = 4
TEAM_TERA: Final = 5
TEAM_MOVES: Final = 6
TEAM_FLAGS: Final = 10
TEAM_WIDTH: Final = 11

TEAM_FLAG_SHEET: Final = 1
"""The facts come from the battle's team sheet: complete and true from the first decision on."""
TEAM_FLAG_GIGANTAMAX: Final = 2

# -- choices (`Trace.choices`) -----------------------------------------------------------------------------------------
CHOICE_NOT_ASKED: Final = -2
CHOICE_NOT_SHOWN: Final = -1
CHOICE_MOVE: Final = 0
CHOICE_MOVE_GIMMICK: Final = 4
"""The same move with Mega Evolution, Ultra Burst, Dynamax or Terastallization."""
CHOICE_Z_MOVE: Final = 8
CHOICE_SWITCH: Final = 12
NUM_CHOICES: Final = 18

CHOICE_FLAG_FORCED: Final = 1
"""No free choice of move: encored, locked into a move, recharging, struggling."""
CHOICE_FLAG_CHOICE_ITEM: Final = 2
"""A Choice item that the side is known to hold allows only the last move."""


MON_AT: Final = tuple(
    tuple((side * TEAM_SIZE + slot) * MON_WIDTH for slot in range(TEAM_SIZE)) for side in range(NUM_SIDES)
)
SIDE_AT: Final = tuple(SIDES + side * SIDE_WIDTH for side in range(NUM_SIDES))


def mon_at(side: int, slot: int) -> int:
    """Column at which the block of team slot `slot` (0-5) of `side` (0 or 1) begins."""
    return MON_AT[side][slot]


def side_at(side: int) -> int:
    """Column at which the block of `side` (0 or 1) begins."""
    return SIDE_AT[side]


def other(side: int) -> int:
    """The opponent of `side`."""
    return 1 - side
