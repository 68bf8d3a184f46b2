/*
 * Battles from the first message to the last: turns, fainting, switching, prizes.
 *
 * Results live in the party structs; battles with trainers walk through the trainer's team. A battle always ends: a
 * creature without PP flails, and flailing hurts itself.
 */
#include "game.h"

static u8 result;
static u8 unfinished;
static const Trainer *opponent;
static u8 opponent_member;

static Creature *own(void) {
    return &wPartyMons[wPlayerMonNumber];
}

static void own_send(u8 index) {
    wPlayerMonNumber = index;
    wPlayerMoveListIndex = 0;
    fighter_enter(wBattleMon, own(), index);
    battle_screen_draw();
    name_a = name_of(wBattleMon->species);
    say(TEXT_GO);
}

static void enemy_send(u8 index) {
    opponent_member = index;
    fighter_enter(wEnemyMon, &wEnemyMons[index], index);
    wCurEnemyLevel = wEnemyMon->level;
    dex_mark(wPokedexSeen, wEnemyMon->species);
    battle_screen_draw();
}

static void end_with(u8 outcome) {
    result = outcome;
    unfinished = 0;
}

static void choose_next_own(void) {
    u8 index = party_menu(TEXT_NEXT);
    if (index == CANCELLED || word_get(wPartyMons[index].hp) == 0) index = party_first_alive();
    own_send(index);
}

static void own_faints(void) {
    fighter_leave(wBattleMon, own());
    name_a = name_of(wBattleMon->species);
    say(TEXT_FAINTED);
    if (party_first_alive() == CANCELLED) end_with(BATTLE_LOST);
    else choose_next_own();
}

static void reward(void) {
    u16 amount = (u16)species_table[wEnemyMon->species].yield * wEnemyMon->level >> 2;
    if (wIsInBattle == 2) amount += amount >> 1;
    fighter_leave(wBattleMon, own());
    name_a = name_of(wBattleMon->species);
    say(TEXT_EXPERIENCE);
    experience_gain(own(), amount);
    fighter_enter(wBattleMon, own(), wPlayerMonNumber);
    battle_draw_health();
}

static void enemy_faints(void) {
    name_a = name_of(wEnemyMon->species);
    battle_draw_health();
    say(TEXT_FOE_FAINTED);
    if (word_get(wBattleMon->hp)) reward();
    if (wIsInBattle == 2 && opponent_member + 1 < wEnemyPartyCount) {
        enemy_send(opponent_member + 1);
        name_a = opponent->name;
        name_b = name_of(wEnemyMon->species);
        say(TEXT_SENDS);
    } else {
        end_with(BATTLE_WON);
    }
}

static void hurt(Fighter *fighter, u16 damage) {
    u16 hp = word_get(fighter->hp);
    word_set(fighter->hp, hp > damage ? hp - damage : 0);
    battle_draw_health();
}

/* Takes a quarter of a stat, for this battle. */
static void lower(Fighter *fighter, u8 stat, const char *message) {
    u16 value = word_get(fighter->stats + stat);
    word_set(fighter->stats + stat, value - (value >> 2));
    name_a = name_of(fighter->species);
    say(message);
}

static void perform(Fighter *attacker, Fighter *defender, u8 move_id) {
    const Move *move = &moves[move_id];
    name_a = name_of(attacker->species);
    name_b = move->name;
    say(attacker == wEnemyMon ? TEXT_FOE_USED : TEXT_USED);
    if (random_byte() > move->accuracy) {
        say(TEXT_MISSED);
        return;
    }
    if (move->power) {
        u16 damage = damage_of(attacker, defender, move);
        hurt(defender, damage);
        if (effectiveness > 4) say(TEXT_STRONG);
        if (effectiveness < 4) say(TEXT_WEAK);
        if (move->effect == EFFECT_RECOIL) hurt(attacker, (damage >> 2) + 1);
    } else if (move->effect == EFFECT_LOWER_ATTACK) {
        lower(defender, STAT_ATTACK, TEXT_ATTACK_FELL);
    } else if (move->effect == EFFECT_LOWER_DEFENCE) {
        lower(defender, STAT_DEFENCE, TEXT_DEFENCE_FELL);
    }
}

static u8 fainted(const Fighter *fighter) {
    return word_get(fighter->hp) == 0;
}

/* Ends the turn's half: returns 1 when someone fainted, so that the other half does not happen. */
static u8 settle(void) {
    u8 enemy_down = fainted(wEnemyMon), own_down = fainted(wBattleMon);
    if (enemy_down) enemy_faints();
    if (own_down) own_faints();
    return enemy_down | own_down;
}

static void enemy_turn(void) {
    wEnemySelectedMove = enemy_pick_move();
    perform(wEnemyMon, wBattleMon, wEnemySelectedMove);
    settle();
}

static u8 has_pp(void) {
    u8 slot;
    for (slot = 0; slot < 4; slot++)
        if (wBattleMon->pp[slot]) return 1;
    return 0;
}

/* Returns a move, or 0 when the player went back. */
static u8 choose_move(void) {
    u8 slot;
    if (!has_pp()) return MOVE_DESPAIR;
    slot = battle_move_menu();
    if (slot == CANCELLED) return 0;
    wPlayerMoveListIndex = slot;
    if (wBattleMon->pp[slot] == 0) {
        say(TEXT_NO_PP);
        return 0;
    }
    wBattleMon->pp[slot]--;
    return wBattleMon->moves[slot];
}

static void fight(void) {
    u8 move = choose_move();
    if (move == 0) return;
    wPlayerSelectedMove = move;
    if (word_get(wBattleMon->stats + STAT_SPEED) >= word_get(wEnemyMon->stats + STAT_SPEED)) {
        perform(wBattleMon, wEnemyMon, move);
        if (!settle()) enemy_turn();
        return;
    }
    wEnemySelectedMove = enemy_pick_move();
    perform(wEnemyMon, wBattleMon, wEnemySelectedMove);
    if (settle()) return;
    perform(wBattleMon, wEnemyMon, move);
    settle();
}

static void throw_ball(u8 item) {
    if (wIsInBattle == 2 || wPartyCount == 6) {
        say(wIsInBattle == 2 ? TEXT_NOT_YOURS : TEXT_PARTY_FULL);
        return;
    }
    bag_remove(item);
    name_a = name_of(wEnemyMon->species);
    if (!catch_succeeds(wEnemyMon)) {
        say(TEXT_BROKE_FREE);
        enemy_turn();
        return;
    }
    say(TEXT_CAUGHT);
    fighter_leave(wEnemyMon, &wEnemyMons[0]);
    party_add(wEnemyMon->species, wEnemyMon->level);
    fighter_leave(wEnemyMon, &wPartyMons[wPartyCount - 1]);
    end_with(BATTLE_CAUGHT);
}

static void use_item(void) {
    u8 item = bag_menu(), used;
    fighter_leave(wBattleMon, own());
    if (item == CANCELLED) {
        battle_screen_draw();
        return;
    }
    switch (item_of(item)->kind) {
        case KIND_BALL:
            battle_screen_draw();
            throw_ball(item);
            return;
        case KIND_MEDICINE:
            used = item_use_on_party(item);
            fighter_enter(wBattleMon, own(), wPlayerMonNumber);
            battle_screen_draw();
            if (used) enemy_turn();
            return;
        default:
            battle_screen_draw();
            say(TEXT_NOT_NOW);
    }
}

static void switch_own(void) {
    u8 index;
    fighter_leave(wBattleMon, own());
    index = party_menu(TEXT_NEXT);
    if (index == CANCELLED || index == wPlayerMonNumber || word_get(wPartyMons[index].hp) == 0) {
        battle_screen_draw();
        return;
    }
    own_send(index);
    enemy_turn();
}

static void run_away(void) {
    if (wIsInBattle == 2) {
        say(TEXT_NO_RUNNING);
    } else if (escape_succeeds()) {
        say(TEXT_ESCAPED);
        end_with(BATTLE_RAN);
    } else {
        say(TEXT_CANNOT_ESCAPE);
        enemy_turn();
    }
}

static u8 battle(const char *opening) {
    u8 ignored = wJoyIgnore;
    wJoyIgnore = 0;
    unfinished = 1;
    battle_screen_open();
    enemy_send(0);
    say(opening);
    own_send(party_first_alive());
    while (unfinished) {
        switch (battle_action_menu()) {
            case ACTION_FIGHT: fight(); break;
            case ACTION_BAG: use_item(); break;
            case ACTION_MON: switch_own(); break;
            default: run_away();
        }
    }
    if (result != BATTLE_LOST) fighter_leave(wBattleMon, own());
    wJoyIgnore = ignored;
    return result;
}

u8 battle_wild(u8 species, u8 level) {
    wIsInBattle = 1;
    wCurOpponent = species;
    creature_build(&wEnemyMons[0], species, level);
    name_a = name_of(species);
    battle(TEXT_WILD);
    wIsInBattle = result == BATTLE_LOST ? 0xFF : 0;
    battle_screen_close();
    return result;
}

/* Fights a trainer; the caller decides what losing means and gives the prize. */
u8 battle_trainer(const Trainer *trainer) {
    u8 i;
    wIsInBattle = 2;
    wTrainerClass = trainer->class;
    wCurOpponent = trainer->class + 200;
    opponent = trainer;
    wEnemyPartyCount = trainer->count;
    for (i = 0; i < trainer->count; i++) {
        creature_build(&wEnemyMons[i], trainer->team[i << 1], trainer->team[(i << 1) + 1]);
        wEnemyPartySpecies[i] = trainer->team[i << 1];
    }
    wEnemyPartySpecies[i] = 0xFF;
    name_a = trainer->name;
    battle(TEXT_CHALLENGE);
    if (result == BATTLE_WON) {
        name_a = trainer->name;
        say(TEXT_BEATEN);
    }
    wIsInBattle = 0;
    battle_screen_close();
    return result;
}
