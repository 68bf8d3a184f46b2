/*
 * Cursors, lists that scroll, and the party screen.
 *
 * The cursor's position is published in wTopMenuItemY/X, wCurrentMenuItem and wMaxMenuItem. Every menu closes with B.
 */
#include "game.h"

#define CURSOR 0xED
#define LIST_ROWS 4

u8 menu_single_spaced; /* entries on neighbouring rows instead of every other one */

static u8 *cursor_tile(void) {
    return wTileMap + (u16)(wTopMenuItemY + (menu_single_spaced ? wCurrentMenuItem : wCurrentMenuItem << 1)) * 20 + wTopMenuItemX;
}

/* Moves a cursor over entries until A (returns the entry) or B (returns CANCELLED). */
u8 menu_choose(u8 x, u8 y, u8 count, u8 start) {
    wTopMenuItemX = x;
    wTopMenuItemY = y;
    wMaxMenuItem = count - 1;
    wCurrentMenuItem = start;
    for (;;) {
        *cursor_tile() = CURSOR;
        window_rows(y, y + (menu_single_spaced ? count : count << 1) - 1);
        do vsync();
        while ((joy_pressed & (BUTTON_A | BUTTON_B | BUTTON_UP | BUTTON_DOWN)) == 0);
        *cursor_tile() = TILE_SPACE;
        if (joy_pressed & BUTTON_B) return CANCELLED;
        if (joy_pressed & BUTTON_A) return wCurrentMenuItem;
        if (joy_pressed & BUTTON_DOWN) wCurrentMenuItem = wCurrentMenuItem == wMaxMenuItem ? 0 : wCurrentMenuItem + 1;
        else wCurrentMenuItem = wCurrentMenuItem ? wCurrentMenuItem - 1 : wMaxMenuItem;
    }
}

/* A list of any length with four rows on screen; the box must already be drawn. */
u8 menu_list(u8 x, u8 y, u8 count, DrawEntry draw) {
    u8 row, column, rows = count < LIST_ROWS ? count : LIST_ROWS;
    wTopMenuItemX = x;
    wTopMenuItemY = y;
    wMaxMenuItem = rows - 1;
    wCurrentMenuItem = wListScrollOffset = 0;
    for (;;) {
        for (row = 0; row < rows; row++) {
            for (column = x; column < 19; column++) wTileMap[(u16)(y + (row << 1)) * 20 + column] = TILE_SPACE;
            draw(wListScrollOffset + row, x + 1, y + (row << 1));
        }
        *cursor_tile() = CURSOR;
        window_rows(y, y + (rows << 1) - 1);
        do vsync();
        while ((joy_pressed & (BUTTON_A | BUTTON_B | BUTTON_UP | BUTTON_DOWN)) == 0);
        if (joy_pressed & BUTTON_B) return CANCELLED;
        if (joy_pressed & BUTTON_A) return wListScrollOffset + wCurrentMenuItem;
        if (joy_pressed & BUTTON_DOWN) {
            if (wCurrentMenuItem < rows - 1) wCurrentMenuItem++;
            else if (wListScrollOffset + rows < count) wListScrollOffset++;
        } else {
            if (wCurrentMenuItem) wCurrentMenuItem--;
            else if (wListScrollOffset) wListScrollOffset--;
        }
    }
}

static void draw_party_member(u8 index) {
    Creature *creature = &wPartyMons[index];
    u8 y = index << 1;
    print_at(2, y, name_of(creature->species));
    print_at(13, y, "L");
    number_at(14, y, creature->level, 2);
    print_at(3, y + 1, "HP");
    number_at(6, y + 1, word_get(creature->hp), 3);
    print_at(9, y + 1, "/");
    number_at(10, y + 1, word_get(creature->max_hp), 3);
    if (word_get(creature->hp) == 0) print_at(14, y + 1, "FAINT");
}

/* Shows the party with a question below; returns a member or CANCELLED. The caller restores the screen. */
u8 party_menu(const char *title) {
    u8 index;
    clear_screen();
    sprites_hide_all();
    for (index = 0; index < wPartyCount; index++) draw_party_member(index);
    box(0, 12, 20, 6);
    print_at(1, 14, title);
    window_show(0, 0);
    return menu_choose(1, 0, wPartyCount, 0);
}
