/*
 * Walking, and everything that a step or the A button can start: warps, scripts, trainers who look, wild creatures.
 *
 * A press in a new direction turns first and walks three frames later if it is still held, so that a tap turns in
 * place while one agent action (8 of 24 frames held) turns and walks one cell.
 */
#include "game.h"

#define TURN_FRAMES 3
#define BUBBLE_FRAMES 16
#define SAFE_STEPS 4

static u8 standing; /* the player rested in the last frame, so a new direction turns before it walks */

u8 delta_x(u8 facing) {
    return facing == FACING_RIGHT ? 1 : facing == FACING_LEFT ? 0xFF : 0;
}

u8 delta_y(u8 facing) {
    return facing == FACING_DOWN ? 1 : facing == FACING_UP ? 0xFF : 0;
}

static u8 direction_bit(u8 facing) {
    if (facing & 8) return facing & 4 ? 1 : 2;
    return facing & 4 ? 8 : 4;
}

static u8 held_facing(void) {
    if (joy_held & BUTTON_DOWN) return FACING_DOWN;
    if (joy_held & BUTTON_UP) return FACING_UP;
    if (joy_held & BUTTON_LEFT) return FACING_LEFT;
    if (joy_held & BUTTON_RIGHT) return FACING_RIGHT;
    return 0xFF;
}

static u8 is_free(u8 x, u8 y) {
    return !(cell_attributes[cell_at(x, y)] & CELL_SOLID) && !person_at(x, y);
}

static void walk_on(u8 facing) {
    wPlayerMovingDirection = wPlayerDirection = direction_bit(facing);
    wSpritePlayerStateData1MovementStatus = 3;
    view_walk((s8)delta_x(facing), (s8)delta_y(facing));
    wSpritePlayerStateData1MovementStatus = 1;
    wPlayerMovingDirection = 0;
    wPlayerLastStopDirection = wPlayerDirection;
    wStepCounter++;
}

/* One step of a cut-scene: nothing that lies on the way starts. */
void step_scripted(u8 facing) {
    wPlayerFacing = facing;
    walk_on(facing);
}

/* Lets someone walk one cell towards a facing. */
void person_walk(u8 slot, u8 facing) {
    u8 i, dx = delta_x(facing), dy = delta_y(facing);
    SPRITE_FACING(slot) = facing;
    for (i = 8; i; i--) {
        sprite_shift_x[slot] += dx + dx;
        sprite_shift_y[slot] += dy + dy;
        sprites_draw(0, 0);
        vsync();
    }
    sprite_shift_x[slot] = sprite_shift_y[slot] = 0;
    SPRITE_MAP_X(slot) += dx;
    SPRITE_MAP_Y(slot) += dy;
    sprites_draw(0, 0);
}

/* How many cells away the player stands in someone's free line of sight; 0 when not in sight. */
static u8 sight_distance(u8 slot, u8 sight) {
    u8 x = SPRITE_MAP_X(slot) - 4, y = SPRITE_MAP_Y(slot) - 4, distance;
    u8 dx = delta_x(SPRITE_FACING(slot)), dy = delta_y(SPRITE_FACING(slot));
    for (distance = 1; distance <= sight; distance++) {
        x += dx;
        y += dy;
        if (x == wXCoord && y == wYCoord) return distance;
        if (!is_free(x, y)) return 0;
    }
    return 0;
}

static u8 trainers_look(void) {
    u8 slot, distance;
    const Person *person;
    const Trainer *trainer;
    if (wPartyCount == 0) return 0;
    for (slot = 1; slot <= wNumSprites; slot++) {
        person = person_of(slot);
        if (person->script != SCRIPT_TRAINER || SPRITE_PICTURE(slot) == 0) continue;
        trainer = &trainers[person->argument];
        if (trainer->sight == 0 || flag_get(trainer->flag)) continue;
        distance = sight_distance(slot, trainer->sight);
        if (distance == 0) continue;
        wJoyIgnore = IGNORE_ALL_BUT_A_B;
        bubble_slot = slot;
        sprites_draw(0, 0);
        wait_frames(BUBBLE_FRAMES);
        bubble_slot = 0;
        while (--distance) person_walk(slot, SPRITE_FACING(slot));
        trainer_meet(slot);
        return 1;
    }
    return 0;
}

static void wild_look(void) {
    u8 pick;
    if (wRepelRemainingSteps) {
        if (--wRepelRemainingSteps == 0) say(TEXT_REPEL_OVER);
        return;
    }
    if (STEPS_TO_SAFETY) {
        STEPS_TO_SAFETY--;
        return;
    }
    if (!(cell_attributes[cell_at(wXCoord, wYCoord)] & CELL_WILD) || wPartyCount == 0) return;
    if (random_byte() >= wGrassRate) return;
    do pick = random_byte() & 15;
    while (pick >= 10);
    STEPS_TO_SAFETY = SAFE_STEPS;
    if (battle_wild(wGrassMons[(pick << 1) + 1], wGrassMons[pick << 1]) == BATTLE_LOST) blackout();
}

static u8 warp_look(void) {
    u8 i;
    const Warp *warp = current_map->warps;
    for (i = current_map->warp_count; i; i--, warp++) {
        if (warp->x != wXCoord || warp->y != wYCoord) continue;
        wDestinationMap = warp->map;
        map_enter(warp->map, warp->to_x, warp->to_y);
        return 1;
    }
    return 0;
}

/* Runs the script of the player's cell, if any. */
static u8 trigger_look(void) {
    u8 i;
    const Trigger *trigger = current_map->triggers;
    for (i = current_map->trigger_count; i; i--, trigger++) {
        if (trigger->x != wXCoord || trigger->y != wYCoord) continue;
        story_run(trigger->script, 0);
        return wCurMap != current_map->id;
    }
    return 0;
}

static void after_step(void) {
    if (warp_look()) {
        trigger_look();
        return;
    }
    if (trigger_look()) return;
    if (trainers_look()) return;
    wild_look();
}

/* The last healing place takes the player in, for half the money. */
void blackout(void) {
    const Arrival *arrival = arrivals;
    money_halve();
    party_heal();
    while (arrival->map != wLastBlackoutMap) arrival++;
    wIsInBattle = 0;
    wJoyIgnore = 0;
    wPlayerFacing = FACING_DOWN;
    map_enter(arrival->map, arrival->x, arrival->y);
    say(TEXT_BLACKOUT);
}

static u8 slot_in_front(void) {
    u8 x = wXCoord + delta_x(wPlayerFacing), y = wYCoord + delta_y(wPlayerFacing);
    if (cell_attributes[cell_at(x, y)] & CELL_COUNTER) { /* shopkeepers talk across their counter */
        x += delta_x(wPlayerFacing);
        y += delta_y(wPlayerFacing);
    }
    return person_at(x, y);
}

static void interact(void) {
    u8 slot = slot_in_front(), x, y;
    if (slot) {
        if (SPRITE_PICTURE(slot)) {
            SPRITE_FACING(slot) = wPlayerFacing ^ 4; /* facing each other: the opposite differs in this bit */
            sprites_draw(0, 0);
        }
        story_run(person_of(slot)->script, slot);
        return;
    }
    x = wXCoord + delta_x(wPlayerFacing);
    y = wYCoord + delta_y(wPlayerFacing);
    if (cell_at(x, y) == CELL_BUSH) story_run(SCRIPT_BUSH, 0);
}

void overworld_frame(void) {
    u8 facing, i;
    vsync();
    if (joy_pressed & BUTTON_START) {
        start_menu();
        return;
    }
    if (joy_pressed & BUTTON_A) {
        interact();
        return;
    }
    facing = held_facing();
    if (facing == 0xFF) {
        standing = 1;
        return;
    }
    if (facing != wPlayerFacing) {
        wPlayerFacing = facing;
        sprites_draw(0, 0);
        for (i = standing ? TURN_FRAMES : 0; i; i--) {
            vsync();
            if (held_facing() != facing) return;
        }
    }
    if (!is_free(wXCoord + delta_x(facing), wYCoord + delta_y(facing))) {
        standing = 1;
        return;
    }
    standing = 0;
    walk_on(facing);
    after_step();
}
