/*
 * The story: what people do when spoken to, what certain cells start, and which flags record it.
 *
 * Cut-scenes set wJoyIgnore so that only A and B count; their texts turn by themselves. Flags carry the indices of the
 * commercial game's event table and are set at the moments its story would set them.
 */
#include "game.h"

#define EVENT_FOLLOWED_INTO_LAB EVENT(0)
#define EVENT_GOT_TOWN_MAP EVENT(24)
#define EVENT_LAB_SCENE EVENT(32)
#define EVENT_ASKED_TO_CHOOSE EVENT(33)
#define EVENT_GOT_STARTER EVENT(34)
#define EVENT_BATTLED_RIVAL EVENT(35)
#define EVENT_GOT_BALLS EVENT(36)
#define EVENT_GOT_DEX EVENT(37)
#define EVENT_PROFESSOR_APPEARED EVENT(39)
#define EVENT_PARCEL_DELIVERED EVENT(56)
#define EVENT_GOT_PARCEL EVENT(57)
#define EVENT_GOT_FIRST_GIFT EVENT(118)
#define EVENT_BEAT_FIRST_LEADER EVENT(119)
#define EVENT_GOT_SECOND_GIFT EVENT(190)
#define EVENT_BEAT_SECOND_LEADER EVENT(191)
#define EVENT_GOT_POTION_SAMPLE EVENT(960)
#define EVENT_GOT_SHEARS EVENT(1504)

static void walk_path(const char *path) {
    u8 facing;
    for (; *path; path++) {
        facing = *path == 'U' ? FACING_UP : *path == 'D' ? FACING_DOWN : *path == 'L' ? FACING_LEFT : FACING_RIGHT;
        step_scripted(facing);
    }
}

static void face(u8 facing) {
    wPlayerFacing = facing;
    sprites_draw(0, 0);
}

static void receive(u8 item, u8 count) {
    bag_add(item, count);
    name_a = item_of(item)->name;
    say(TEXT_RECEIVED);
}

/* A new game: the bed at home, a little money, nobody in the party. */
void story_start(void) {
    encode_name(wPlayerName, "ROWAN", 11);
    encode_name(wRivalName, "FLINT", 11);
    wPlayerID[0] = 0x5E;
    wPlayerID[1] = 0xED;
    wPartySpecies[0] = 0xFF;
    wBagItems[0] = 0xFF;
    wPlayerMoney[1] = 0x30;
    wLastBlackoutMap = MAP_SEEDTOWN;
    map_load(MAP_HOME, 5, 2);
    view_redraw();
    wLastMap = MAP_SEEDTOWN;
}

static void mother(void) {
    if (!wPartyCount) {
        say(TEXT_MOTHER_MORNING);
        return;
    }
    party_heal();
    say(TEXT_MOTHER_REST);
}

static void nurse(void) {
    say(TEXT_NURSE_WELCOME);
    party_heal();
    wLastBlackoutMap = wLastMap;
    say(TEXT_NURSE_DONE);
}

/* The professor stops whoever leaves town without a companion, and shows the way to the lab. */
static void road(void) {
    if (flag_get(EVENT_GOT_STARTER)) return;
    wJoyIgnore = IGNORE_ALL_BUT_A_B;
    flag_set(EVENT_PROFESSOR_APPEARED);
    face(FACING_DOWN);
    say(TEXT_PROFESSOR_STOP);
    flag_set(EVENT_FOLLOWED_INTO_LAB);
    if (wXCoord == 11) walk_path("L");
    walk_path("DDDDDDDDDDDRRRRU");
    map_enter(MAP_LAB, 4, 10);
    walk_path("UUUUUUUR");
    face(FACING_UP);
    flag_set(EVENT_LAB_SCENE);
    say(TEXT_PROFESSOR_CHOOSE);
    flag_set(EVENT_ASKED_TO_CHOOSE);
    wJoyIgnore = 0;
}

static void deliver_parcel(void) {
    wJoyIgnore = IGNORE_ALL_BUT_A_B;
    bag_remove(ITEM_PARCEL);
    say(TEXT_PROFESSOR_PARCEL);
    flag_set(EVENT_PARCEL_DELIVERED);
    say(TEXT_PROFESSOR_DEX);
    flag_set(EVENT_GOT_DEX);
    receive(ITEM_BALL, 5);
    flag_set(EVENT_GOT_BALLS);
    say(TEXT_PROFESSOR_GO);
    wJoyIgnore = 0;
}

static void professor(void) {
    if (!flag_get(EVENT_GOT_STARTER)) say(TEXT_PROFESSOR_CHOOSE);
    else if (flag_get(EVENT_GOT_DEX)) say(TEXT_PROFESSOR_PRAISE);
    else if (flag_get(EVENT_GOT_PARCEL)) deliver_parcel();
    else say(TEXT_PROFESSOR_ERRAND);
}

static u8 rival_answer(u8 species) {
    return species == SPECIES_MOSSCUB ? SPECIES_EMBERET : species == SPECIES_EMBERET ? SPECIES_BROOKIT : SPECIES_MOSSCUB;
}

static void starter(u8 species) {
    if (!flag_get(EVENT_ASKED_TO_CHOOSE)) {
        say(TEXT_NOT_YET);
        return;
    }
    name_a = name_of(species);
    dex_mark(wPokedexSeen, species);
    if (!ask(TEXT_TAKE)) return;
    party_add(species, 5);
    wPlayerStarter = species;
    wRivalStarter = rival_answer(species);
    flag_set(EVENT_GOT_STARTER);
    people_place();
    sprites_draw(0, 0);
    say(TEXT_GOT_STARTER);
}

/* Nobody leaves the lab before choosing, nor past the rival afterwards; losing to him costs nothing. */
static void lab_gate(void) {
    const Trainer *rival;
    if (!flag_get(EVENT_ASKED_TO_CHOOSE) || flag_get(EVENT_BATTLED_RIVAL)) return;
    wJoyIgnore = IGNORE_ALL_BUT_A_B;
    if (!flag_get(EVENT_GOT_STARTER)) {
        say(TEXT_PROFESSOR_WAIT);
        walk_path("U");
        wJoyIgnore = 0;
        return;
    }
    face(FACING_UP);
    say(TEXT_RIVAL_CHALLENGE);
    rival = &trainers[TRAINER_RIVAL_MOSS + wRivalStarter - SPECIES_MOSSCUB];
    if (battle_trainer(rival) == BATTLE_WON) money_add(rival->prize);
    party_heal();
    flag_set(EVENT_BATTLED_RIVAL);
    say(TEXT_RIVAL_LEAVES);
    people_place();
    sprites_draw(0, 0);
    wJoyIgnore = 0;
}

static void mart_errand(void) {
    if (!flag_get(EVENT_GOT_STARTER) || flag_get(EVENT_GOT_PARCEL)) return;
    wJoyIgnore = IGNORE_ALL_BUT_A_B;
    say(TEXT_CLERK_CALLS);
    walk_path("UU");
    face(FACING_LEFT);
    say(TEXT_CLERK_PARCEL);
    receive(ITEM_PARCEL, 1);
    flag_set(EVENT_GOT_PARCEL);
    wJoyIgnore = 0;
}

static void sister(void) {
    if (!flag_get(EVENT_GOT_DEX)) {
        say(TEXT_SISTER_HELLO);
    } else if (!flag_get(EVENT_GOT_TOWN_MAP)) {
        say(TEXT_SISTER_MAP);
        receive(ITEM_TOWN_MAP, 1);
        flag_set(EVENT_GOT_TOWN_MAP);
    } else {
        say(TEXT_SISTER_BYE);
    }
}

static void potion_sample(void) {
    if (flag_get(EVENT_GOT_POTION_SAMPLE)) {
        say(TEXT_SAMPLE_BYE);
        return;
    }
    say(TEXT_SAMPLE);
    receive(ITEM_POTION, 1);
    flag_set(EVENT_GOT_POTION_SAMPLE);
}

static void gardener(void) {
    u8 i;
    if (!(wObtainedBadges & 1)) {
        say(TEXT_GARDENER_BUSY);
        return;
    }
    if (flag_get(EVENT_GOT_SHEARS)) {
        say(TEXT_GARDENER_BYE);
        return;
    }
    say(TEXT_GARDENER_GIFT);
    receive(ITEM_SHEARS, 1);
    flag_set(EVENT_GOT_SHEARS);
    for (i = 0; !creature_learn(&wPartyMons[i], MOVE_SNIP); i++) {
    }
    name_a = name_of(wPartyMons[i].species);
    name_b = moves[MOVE_SNIP].name;
    say(TEXT_LEARNED);
}

/* The bush grows again when the map is left; whoever has the shears can always cut it. */
static void bush(void) {
    if (!flag_get(EVENT_GOT_SHEARS)) {
        say(TEXT_BUSH);
        return;
    }
    say(TEXT_BUSH_CUT);
    cell_set(wXCoord + delta_x(wPlayerFacing), wYCoord + delta_y(wPlayerFacing), CELL_PATH);
    view_redraw();
}

static void ground_item(const Person *person) {
    flag_set(person->flag & FLAG_MASK);
    people_place();
    sprites_draw(0, 0);
    receive(person->argument, 1);
}

/* Talks, fights, and pays: what meeting a trainer means, whoever saw whom first. */
void trainer_meet(u8 slot) {
    const Person *person = person_of(slot);
    const Trainer *trainer = &trainers[person->argument];
    if (flag_get(trainer->flag) || !wPartyCount) {
        say(person->text);
        wJoyIgnore = 0;
        return;
    }
    say(trainer->before);
    wJoyIgnore = 0;
    if (battle_trainer(trainer) != BATTLE_WON) {
        blackout();
        return;
    }
    flag_set(trainer->flag);
    money_add(trainer->prize);
    people_place(); /* back to the own place, so that nobody is ever walled in */
    sprites_draw(0, 0);
    say(trainer->defeat);
}

static void leader(u8 slot) {
    const Person *person = person_of(slot);
    u8 badge = person->argument == TRAINER_LEADER_1 ? 1 : 2;
    u16 gift = badge == 1 ? EVENT_GOT_FIRST_GIFT : EVENT_GOT_SECOND_GIFT;
    trainer_meet(slot);
    if (!flag_get(trainers[person->argument].flag) || flag_get(gift)) return;
    wObtainedBadges |= badge;
    wBeatGymFlags |= badge;
    say(badge == 1 ? TEXT_BADGE_1 : TEXT_BADGE_2);
    receive(ITEM_SUPER_POTION, 2);
    flag_set(gift);
    say(badge == 1 ? TEXT_AFTER_BADGE_1 : TEXT_AFTER_BADGE_2);
}

/* Runs the script of a person (slot) or of a cell (slot 0). */
void story_run(u8 script, u8 slot) {
    const Person *person = person_of(slot);
    switch (script) {
        case SCRIPT_TALK: say(person->text); break;
        case SCRIPT_TRAINER: trainer_meet(slot); break;
        case SCRIPT_LEADER: leader(slot); break;
        case SCRIPT_ITEM: ground_item(person); break;
        case SCRIPT_STARTER: starter(person->argument); break;
        case SCRIPT_MOTHER: mother(); break;
        case SCRIPT_NURSE: nurse(); break;
        case SCRIPT_CLERK: shop(); break;
        case SCRIPT_PROFESSOR: professor(); break;
        case SCRIPT_SISTER: sister(); break;
        case SCRIPT_SAMPLE: potion_sample(); break;
        case SCRIPT_GARDENER: gardener(); break;
        case SCRIPT_BUSH: bush(); break;
        case SCRIPT_ROAD: road(); break;
        case SCRIPT_LAB_GATE: lab_gate(); break;
        case SCRIPT_MART_ERRAND: mart_errand(); break;
    }
}
