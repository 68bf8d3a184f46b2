"""What things are called in the two variants.

Job: names of actions, blocks, inventories and achievements as plain tuples, so that a spec needs no JAX. Place in the
data flow: read by everything in this folder. Left out: what the things do, which the package `craftax` decides; a test
compares these names with the installed one.

Source: `craftax_classic/constants.py` and `craftax/constants.py` of craftax 1.6.1 (MIT).
"""

from __future__ import annotations

CLASSIC_ACTIONS = (
    "noop", "left", "right", "up", "down", "do", "sleep", "place_stone", "place_table", "place_furnace", "place_plant",
    "make_wood_pickaxe", "make_stone_pickaxe", "make_iron_pickaxe", "make_wood_sword", "make_stone_sword",
    "make_iron_sword",
)  # fmt: skip

FULL_ACTIONS = (
    *CLASSIC_ACTIONS, "rest", "descend", "ascend", "make_diamond_pickaxe", "make_diamond_sword", "make_iron_armour",
    "make_diamond_armour", "shoot_arrow", "make_arrow", "cast_fireball", "cast_iceball", "place_torch",
    "drink_potion_red", "drink_potion_green", "drink_potion_blue", "drink_potion_pink", "drink_potion_cyan",
    "drink_potion_yellow", "read_book", "enchant_sword", "enchant_armour", "make_torch", "level_up_dexterity",
    "level_up_strength", "level_up_intelligence", "enchant_bow",
)  # fmt: skip

CLASSIC_BLOCKS = (
    "invalid", "out_of_bounds", "grass", "water", "stone", "tree", "wood", "path", "coal", "iron", "diamond", "table",
    "furnace", "sand", "lava", "plant", "ripe_plant",
)  # fmt: skip

FULL_BLOCKS = (
    *CLASSIC_BLOCKS, "wall", "darkness", "wall_moss", "stalagmite", "sapphire", "ruby", "chest", "fountain",
    "fire_grass", "ice_grass", "gravel", "fire_tree", "ice_shrub", "fire_enchantment_table", "ice_enchantment_table",
    "necromancer", "grave", "grave2", "grave3", "necromancer_vulnerable",
)  # fmt: skip

ITEMS = ("none", "torch", "ladder_down", "ladder_up", "blocked_ladder_down")
"""What can lie on a tile of the full game."""

CLASSIC_INVENTORY = (
    "wood", "stone", "coal", "iron", "diamond", "sapling", "wood_pickaxe", "stone_pickaxe", "iron_pickaxe",
    "wood_sword", "stone_sword", "iron_sword",
)  # fmt: skip

FULL_INVENTORY = (
    "wood", "stone", "coal", "iron", "diamond", "sapphire", "ruby", "sapling", "torches", "arrows", "books", "pickaxe",
    "sword", "bow",
)  # fmt: skip

POTIONS = ("red", "green", "blue", "pink", "cyan", "yellow")

CLASSIC_ACHIEVEMENTS = (
    "collect_wood", "place_table", "eat_cow", "collect_sapling", "collect_drink", "make_wood_pickaxe",
    "make_wood_sword", "place_plant", "defeat_zombie", "collect_stone", "place_stone", "eat_plant", "defeat_skeleton",
    "make_stone_pickaxe", "make_stone_sword", "wake_up", "place_furnace", "collect_coal", "collect_iron",
    "collect_diamond", "make_iron_pickaxe", "make_iron_sword",
)  # fmt: skip

FULL_ACHIEVEMENTS = (
    *CLASSIC_ACHIEVEMENTS, "make_arrow", "make_torch", "place_torch", "make_diamond_sword", "make_iron_armour",
    "make_diamond_armour", "enter_gnomish_mines", "enter_dungeon", "enter_sewers", "enter_vault", "enter_troll_mines",
    "enter_fire_realm", "enter_ice_realm", "enter_graveyard", "defeat_gnome_warrior", "defeat_gnome_archer",
    "defeat_orc_solider", "defeat_orc_mage", "defeat_lizard", "defeat_kobold", "defeat_troll", "defeat_deep_thing",
    "defeat_pigman", "defeat_fire_elemental", "defeat_frost_troll", "defeat_ice_elemental", "damage_necromancer",
    "defeat_necromancer", "eat_bat", "eat_snail", "find_bow", "fire_bow", "collect_sapphire", "learn_fireball",
    "cast_fireball", "learn_iceball", "cast_iceball", "collect_ruby", "make_diamond_pickaxe", "open_chest",
    "drink_potion", "enchant_sword", "enchant_armour", "defeat_knight", "defeat_archer",
)  # fmt: skip
