/*
 * Loading maps, looking at their cells, placing their people, and story flags.
 *
 * A map's cells are unpacked into wOverworldMap with a border of four cells to the left and above and at least as many
 * on the other sides, so that the view never needs a bounds check.
 */
#include "game.h"

#define MARGIN 4

const Map *current_map;
u8 map_width;
u8 map_height;
u8 map_stride;

u8 flag_get(u16 flag) {
    return wFlagBase[flag >> 3] >> (flag & 7) & 1;
}

void flag_set(u16 flag) {
    wFlagBase[flag >> 3] |= 1 << (flag & 7);
}

static u8 *cell_pointer(u8 x, u8 y) {
    return wOverworldMap + (u16)(u8)(y + MARGIN) * map_stride + (u8)(x + MARGIN);
}

u8 cell_at(u8 x, u8 y) {
    if (x >= map_width || y >= map_height) return current_map->border;
    return *cell_pointer(x, y);
}

void cell_set(u8 x, u8 y, u8 cell) {
    *cell_pointer(x, y) = cell;
}

/* Each packed byte is a run: the cell in the low five bits, its length minus one above; runs end with their row. */
static void cells_unpack(void) {
    const u8 *packed = current_map->cells;
    u8 *row = cell_pointer(0, 0), *to = row, *end = row + map_width;
    u8 rows = map_height, cell, run;
    map_fill(current_map->border);
    while (rows) {
        cell = *packed++;
        run = (cell >> 5) + 1;
        cell &= 31;
        do *to++ = cell;
        while (--run);
        if (to == end) {
            rows--;
            row += map_stride;
            to = row;
            end = row + map_width;
        }
    }
}

const Person *person_of(u8 slot) {
    return &current_map->people[slot - 1];
}

static u8 is_present(const Person *person) {
    if (person->flag & FLAG_SHOWS) return flag_get(person->flag & FLAG_MASK);
    if (person->flag & FLAG_HIDES) return !flag_get(person->flag & FLAG_MASK);
    return 1;
}

/* Puts everyone where the map says; also called when a flag has changed who is there. */
void people_place(void) {
    u8 slot;
    const Person *person = current_map->people;
    wNumSprites = current_map->person_count;
    bubble_slot = 0;
    for (slot = 1; slot < 16; slot++) {
        SPRITE_PICTURE(slot) = 0;
        SPRITE_MAP_X(slot) = 0;
        SPRITE_MAP_Y(slot) = 0;
        sprite_shift_x[slot] = sprite_shift_y[slot] = 0;
        if (slot > wNumSprites) continue;
        if (is_present(person)) {
            SPRITE_PICTURE(slot) = person->look;
            SPRITE_FACING(slot) = person->facing;
            SPRITE_MAP_X(slot) = person->x + 4;
            SPRITE_MAP_Y(slot) = person->y + 4;
        }
        person++;
    }
}

u8 person_at(u8 x, u8 y) {
    u8 slot;
    for (slot = 1; slot <= wNumSprites; slot++)
        if (SPRITE_MAP_X(slot) == (u8)(x + 4) && SPRITE_MAP_Y(slot) == (u8)(y + 4)) return slot;
    return 0;
}

/* Makes a map current and puts the player on one of its cells; view_redraw shows it. */
void map_load(u8 id, u8 x, u8 y) {
    u8 i;
    current_map = maps;
    while (current_map->id != id) current_map++;
    map_width = current_map->width;
    map_height = current_map->height;
    map_stride = map_width + 9;
    wLastMap = wCurMap;
    wCurMap = id;
    wXCoord = x;
    wYCoord = y;
    wCurMapWidth = map_width >> 1;
    wCurMapHeight = map_height >> 1;
    wCurMapTileset = current_map->tileset;
    wNumberOfWarps = current_map->warp_count;
    wGrassRate = current_map->rate;
    for (i = 0; i < 20; i++) wGrassMons[i] = current_map->wild[i];
    if (id < 11) wTownVisitedFlag |= 1 << (id & 7);
    cells_unpack();
    people_place();
}

void map_enter(u8 id, u8 x, u8 y) {
    map_load(id, x, y);
    view_redraw();
}
