/*
 * Creatures: building them from their species, levels and experience, healing, moves, the party's order, the index.
 */
#include "game.h"

#define LEVEL_CAP 40
#define NICK_SIZE 11

u16 word_get(const u8 *field) {
    return (u16)field[0] << 8 | field[1];
}

void word_set(u8 *field, u16 value) {
    field[0] = value >> 8;
    field[1] = (u8)value;
}

const char *name_of(u8 species) {
    return species_table[species].name;
}

static u16 stat_at(u8 base, u8 level) {
    return (u16)base * level / 50;
}

/* Computes the stats of the creature's level. */
void creature_restat(Creature *creature) {
    u8 i;
    const Species *species = &species_table[creature->species];
    word_set(creature->max_hp, stat_at(species->base[0], creature->level) + creature->level + 10);
    for (i = 0; i < 4; i++) word_set(creature->stats + (i << 1), stat_at(species->base[i + 1], creature->level) + 5);
}

/* The slot that a further move takes: a free one, else the weakest move; the gate-opening move is never given up. */
static u8 slot_to_fill(const Creature *creature) {
    u8 i, move, weakest = 0, power = 255;
    for (i = 0; i < 4; i++) {
        move = creature->moves[i];
        if (move == 0) return i;
        if (move == MOVE_SNIP || moves[move].power >= power) continue;
        weakest = i;
        power = moves[move].power;
    }
    return weakest;
}

/* Teaches a move; returns 0 when it was known already. */
u8 creature_learn(Creature *creature, u8 move) {
    u8 i;
    for (i = 0; i < 4; i++)
        if (creature->moves[i] == move) return 0;
    i = slot_to_fill(creature);
    creature->moves[i] = move;
    creature->pp[i] = moves[move].pp;
    return 1;
}

void creature_heal(Creature *creature) {
    u8 i;
    word_set(creature->hp, word_get(creature->max_hp));
    creature->status = 0;
    for (i = 0; i < 4; i++)
        if (creature->moves[i]) creature->pp[i] = moves[creature->moves[i]].pp;
}

void creature_build(Creature *creature, u8 species_id, u8 level) {
    u8 i, *bytes = (u8 *)creature;
    const Species *species = &species_table[species_id];
    const u8 *learn;
    for (i = 0; i < sizeof(Creature); i++) bytes[i] = 0;
    creature->species = species_id;
    creature->level = creature->box_level = level;
    creature->type1 = species->type1;
    creature->type2 = species->type2;
    creature->catch_rate = species->catch_rate;
    creature->trainer_id[0] = wPlayerID[0];
    creature->trainer_id[1] = wPlayerID[1];
    word_set(creature->experience + 1, experience_table[level]);
    for (learn = species->learnset; *learn && *learn <= level; learn += 2) creature_learn(creature, learn[1]);
    creature_restat(creature);
    creature_heal(creature);
}

void dex_mark(u8 *bits, u8 species) {
    species--;
    bits[species >> 3] |= 1 << (species & 7);
}

u8 dex_count(const u8 *bits) {
    u8 i, rest, count = 0;
    for (i = 0; i < 19; i++)
        for (rest = bits[i]; rest; rest >>= 1) count += rest & 1;
    return count;
}

static void party_lists(void) {
    u8 i;
    for (i = 0; i < wPartyCount; i++) {
        wPartySpecies[i] = wPartyMons[i].species;
        encode_name(wPartyMonNicks + (u16)i * NICK_SIZE, name_of(wPartyMons[i].species), NICK_SIZE);
    }
    wPartySpecies[i] = 0xFF;
}

/* Adds a creature; returns 0 when the party is full. */
u8 party_add(u8 species, u8 level) {
    if (wPartyCount == 6) return 0;
    creature_build(&wPartyMons[wPartyCount++], species, level);
    party_lists();
    dex_mark(wPokedexSeen, species);
    dex_mark(wPokedexOwned, species);
    return 1;
}

void party_heal(void) {
    u8 i;
    for (i = 0; i < wPartyCount; i++) creature_heal(&wPartyMons[i]);
}

void party_swap(u8 first, u8 second) {
    u8 i, byte, *a = (u8 *)&wPartyMons[first], *b = (u8 *)&wPartyMons[second];
    for (i = 0; i < sizeof(Creature); i++) {
        byte = a[i];
        a[i] = b[i];
        b[i] = byte;
    }
    party_lists();
}

u8 party_first_alive(void) {
    u8 i;
    for (i = 0; i < wPartyCount; i++)
        if (word_get(wPartyMons[i].hp)) return i;
    return CANCELLED;
}

u8 party_knows(u8 move) {
    u8 i, slot;
    for (i = 0; i < wPartyCount; i++)
        for (slot = 0; slot < 4; slot++)
            if (wPartyMons[i].moves[slot] == move) return 1;
    return 0;
}

static void level_up(Creature *creature) {
    const u8 *learn;
    u16 gained = word_get(creature->max_hp);
    creature->box_level = ++creature->level;
    creature_restat(creature);
    gained = word_get(creature->max_hp) - gained;
    word_set(creature->hp, word_get(creature->hp) + gained);
    name_a = name_of(creature->species);
    say(TEXT_LEVEL_UP);
    for (learn = species_table[creature->species].learnset; *learn; learn += 2) {
        if (*learn != creature->level || !creature_learn(creature, learn[1])) continue;
        name_b = moves[learn[1]].name;
        say(TEXT_LEARNED);
    }
}

void experience_gain(Creature *creature, u16 amount) {
    u16 total;
    if (creature->level >= LEVEL_CAP) return;
    total = word_get(creature->experience + 1) + amount;
    if (total < amount || total > experience_table[LEVEL_CAP]) total = experience_table[LEVEL_CAP];
    word_set(creature->experience + 1, total);
    while (creature->level < LEVEL_CAP && total >= experience_table[creature->level + 1]) level_up(creature);
}
