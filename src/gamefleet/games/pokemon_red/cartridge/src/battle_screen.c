/*
 * What a battle looks like: both creatures, their health bars, and the two menus at the bottom.
 *
 * Pictures are stored as half of 24x24 pixels and drawn twice as large; their tiles replace those of the map during a battle.
 */
#include "game.h"

#define BAR_LABEL 0x62
#define BAR_EMPTY 0x63
#define BAR_END 0x6C
#define BAR_TILES 6
#define PICTURE_SIDE 6
#define ENEMY_TILES 0
#define OWN_TILES 36

static const u8 doubled[16] = {0x00, 0x03, 0x0C, 0x0F, 0x30, 0x33, 0x3C, 0x3F,
                               0xC0, 0xC3, 0xCC, 0xCF, 0xF0, 0xF3, 0xFC, 0xFF};

static const u8 reversed[16] = {0x0, 0x8, 0x4, 0xC, 0x2, 0xA, 0x6, 0xE, 0x1, 0x9, 0x5, 0xD, 0x3, 0xB, 0x7, 0xF};

/* Unpacks the left half of a picture, three strips of 24 rows with four pixels a byte (low bits in the upper half, high
   bits in the lower), to six columns of 48 rows: each strip also gives its mirror image on the other side. */
static void picture_load(u8 first_tile, const u8 *picture) {
    u8 *to = (u8 *)0x9000 + ((u16)first_tile << 4);
    u8 *mirror = to + 5 * 96;
    u8 strip, row, low, high;
    for (strip = 3; strip; strip--) {
        for (row = 24; row; row--) {
            low = *picture >> 4;
            high = *picture++ & 15;
            to[0] = to[2] = doubled[low];
            to[1] = to[3] = doubled[high];
            mirror[0] = mirror[2] = doubled[reversed[low]];
            mirror[1] = mirror[3] = doubled[reversed[high]];
            to += 4;
            mirror += 4;
        }
        mirror -= 2 * 96;
    }
}

static void picture_place(u8 x, u8 y, u8 tile) {
    u8 column, row;
    for (column = 0; column < PICTURE_SIDE; column++)
        for (row = 0; row < PICTURE_SIDE; row++) wTileMap[(u16)(y + row) * 20 + x + column] = tile ? tile++ : TILE_SPACE;
}

/* Fills video memory with the pictures of both sides; 0 leaves a side empty. */
void battle_show_pictures(u8 enemy, u8 own) {
    u8 column, row, tile = ENEMY_TILES;
    lcd_off();
    if (enemy) picture_load(ENEMY_TILES, species_table[enemy].front);
    if (own) picture_load(OWN_TILES, species_table[own].back);
    lcd_on();
    window_hide();
    for (column = 0; column < PICTURE_SIDE; column++)
        for (row = 0; row < PICTURE_SIDE; row++) wTileMap[(u16)row * 20 + 13 + column] = enemy ? tile++ : TILE_SPACE;
    picture_place(1, 6, own ? OWN_TILES : 0);
}

static void bar_draw(u8 x, u8 y, const Fighter *fighter) {
    u8 *tiles = wTileMap + (u16)y * 20 + x, i;
    u8 pixels = word_get(fighter->hp) * (BAR_TILES * 8) / word_get(fighter->max_hp);
    if (pixels == 0 && word_get(fighter->hp)) pixels = 1;
    *tiles++ = BAR_LABEL;
    for (i = BAR_TILES; i; i--) {
        *tiles++ = BAR_EMPTY + (pixels > 8 ? 8 : pixels);
        pixels = pixels > 8 ? pixels - 8 : 0;
    }
    *tiles = BAR_END;
}

static void rows_blank(u8 x, u8 y, u8 width, u8 height) {
    u8 column;
    for (; height; height--, y++)
        for (column = 0; column < width; column++) wTileMap[(u16)y * 20 + x + column] = TILE_SPACE;
}

/* Names, levels and health of both sides. */
void battle_draw_health(void) {
    rows_blank(0, 0, 12, 4);
    rows_blank(9, 6, 11, 6);
    if (wEnemyMon->species) {
        print_at(1, 1, name_of(wEnemyMon->species));
        print_at(5, 2, "L");
        number_at(6, 2, wEnemyMon->level, 2);
        bar_draw(2, 3, wEnemyMon);
    }
    if (wBattleMon->species) {
        print_at(10, 7, name_of(wBattleMon->species));
        print_at(14, 8, "L");
        number_at(15, 8, wBattleMon->level, 2);
        bar_draw(10, 9, wBattleMon);
        number_at(11, 10, word_get(wBattleMon->hp), 3);
        print_at(14, 10, "/");
        number_at(15, 10, word_get(wBattleMon->max_hp), 3);
    }
    if (wFontLoaded) window_rows(0, 11);
}

/* Builds the whole screen again, after a list has covered it. */
void battle_screen_draw(void) {
    clear_screen();
    sprites_hide_all();
    battle_show_pictures(wEnemyMon->species, wBattleMon->species);
    battle_draw_health();
    box(0, 12, 20, 6);
    window_show(0, 0);
}

void battle_screen_open(void) {
    wEnemyMon->species = wBattleMon->species = 0;
}

void battle_screen_close(void) {
    lcd_off();
    view_load_tiles();
    lcd_on();
    window_hide();
    view_redraw();
}

/* Two columns of two entries; the cursor wraps by moving out and in on the same side. */
u8 battle_action_menu(void) {
    u8 column = 0, row = 0, *cursor;
    box(0, 12, 8, 6);
    box(8, 12, 12, 6);
    print_at(1, 14, "What");
    print_at(1, 16, "now?");
    print_at(10, 14, "FIGHT");
    print_at(10, 16, "BAG");
    print_at(16, 14, "MON");
    print_at(16, 16, "RUN");
    window_rows(12, 13);
    window_rows(17, 17);
    for (;;) {
        wTopMenuItemX = column ? 15 : 9;
        wTopMenuItemY = 14;
        wCurrentMenuItem = row;
        wMaxMenuItem = 1;
        cursor = wTileMap + (row ? 16 : 14) * 20 + wTopMenuItemX;
        *cursor = glyph('>');
        window_rows(14, 16);
        do vsync();
        while ((joy_pressed & ~BUTTON_START) == 0);
        *cursor = TILE_SPACE;
        if (joy_pressed & BUTTON_A) return (column << 1) + row;
        if (joy_pressed & BUTTON_DOWN) row = 1;
        if (joy_pressed & BUTTON_UP) row = 0;
        if (joy_pressed & BUTTON_RIGHT) column = 1;
        if (joy_pressed & BUTTON_LEFT) column = 0;
    }
}

/* Returns a slot of the own creature's moves, or CANCELLED. */
u8 battle_move_menu(void) {
    u8 slot;
    box(0, 12, 20, 6);
    for (slot = 0; slot < 4 && wBattleMon->moves[slot]; slot++) {
        print_at(2, 13 + slot, moves[wBattleMon->moves[slot]].name);
        print_at(14, 13 + slot, "PP");
        number_at(17, 13 + slot, wBattleMon->pp[slot], 2);
    }
    window_rows(12, 17);
    menu_single_spaced = 1;
    slot = menu_choose(1, 13, slot, wPlayerMoveListIndex < slot ? wPlayerMoveListIndex : 0);
    menu_single_spaced = 0;
    return slot;
}
