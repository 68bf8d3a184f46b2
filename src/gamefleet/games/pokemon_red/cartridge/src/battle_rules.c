/*
 * Arithmetic of a battle: damage, hits, catching, escaping, and moving creatures between party and field.
 *
 * Everything fits into 16 bits by dividing early; the processor has no multiplication.
 */
#include "game.h"

#define NORMAL 4
#define LOWEST_ROLL 217

u8 effectiveness;

static u8 type_factor(u8 attack, u8 defence) {
    const u8 *row;
    for (row = type_chart; *row != 0xFF; row += 3)
        if (row[0] == attack && row[1] == defence) return row[2];
    return 2;
}

/* Health that a move takes, at least 1; sets effectiveness. */
u16 damage_of(const Fighter *attacker, const Fighter *defender, const Move *move) {
    u16 damage = (u16)((attacker->level << 1) / 5 + 2) * move->power / 10;
    u16 defence = word_get(defender->stats + STAT_DEFENCE);
    damage = damage * word_get(attacker->stats + STAT_ATTACK) / (defence ? defence : 1) / 5 + 2;
    if (move->type == attacker->type1 || move->type == attacker->type2) damage += damage >> 1;
    effectiveness = type_factor(move->type, defender->type1) << 1;
    if (defender->type2 != defender->type1) effectiveness = effectiveness * type_factor(move->type, defender->type2) >> 1;
    damage = damage * effectiveness >> 2;
    damage = damage * (LOWEST_ROLL + random_byte() % (256 - LOWEST_ROLL)) >> 8;
    return damage ? damage : 1;
}

u8 catch_succeeds(const Fighter *target) {
    u16 triple = word_get(target->max_hp) * 3;
    u16 chance = (u16)target->catch_rate * (triple - (word_get(target->hp) << 1)) / triple;
    return random_byte() <= chance;
}

u8 escape_succeeds(void) {
    if (word_get(wBattleMon->stats + STAT_SPEED) >= word_get(wEnemyMon->stats + STAT_SPEED)) return 1;
    return random_byte() < 160;
}

/* A random known move. */
u8 enemy_pick_move(void) {
    u8 slot;
    do slot = random_byte() & 3;
    while (wEnemyMon->moves[slot] == 0);
    return wEnemyMon->moves[slot];
}

void fighter_enter(Fighter *fighter, const Creature *creature, u8 position) {
    u8 i;
    fighter->species = creature->species;
    fighter->hp[0] = creature->hp[0];
    fighter->hp[1] = creature->hp[1];
    fighter->position = position;
    fighter->status = creature->status;
    fighter->type1 = creature->type1;
    fighter->type2 = creature->type2;
    fighter->catch_rate = creature->catch_rate;
    fighter->level = creature->level;
    fighter->max_hp[0] = creature->max_hp[0];
    fighter->max_hp[1] = creature->max_hp[1];
    for (i = 0; i < 4; i++) {
        fighter->moves[i] = creature->moves[i];
        fighter->pp[i] = creature->pp[i];
    }
    for (i = 0; i < 8; i++) fighter->stats[i] = creature->stats[i];
}

void fighter_leave(const Fighter *fighter, Creature *creature) {
    u8 i;
    creature->hp[0] = fighter->hp[0];
    creature->hp[1] = fighter->hp[1];
    creature->status = fighter->status;
    for (i = 0; i < 4; i++) creature->pp[i] = fighter->pp[i];
}
