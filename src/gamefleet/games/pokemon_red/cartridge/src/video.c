/*
 * Frames, scrolling, the tile map mirror, sprites and the window layer.
 *
 * The mirror (wTileMap, 20x18) is the source of everything on screen: it is computed from the map's cells or written by
 * text.c, and then copied to video memory. Video memory is only written in VBlank or while the screen is off, because
 * the hardware drops writes at other times; it is never read.
 */
#include "game.h"

#define LCDC IO(0x40)
#define SCROLL_Y IO(0x42)
#define SCROLL_X IO(0x43)
#define WINDOW_Y IO(0x4A)
#define WINDOW_X IO(0x4B)
#define LCD_VIEW 0xC3   /* screen, background at 0x9800 with tiles at 0x8800/0x9000, window map at 0x9C00, sprites */
#define LCD_WINDOW 0xE3 /* the same and the window */
#define BACKGROUND 0x9800
#define WINDOW 0x9C00
#define PLAYER_X 64
#define PLAYER_Y 60
#define FLIP 0x20
#define PLAYER_STRIDE 8 /* tiles from the standing to the walking pictures */

u8 bubble_slot;         /* the person above whom an exclamation mark floats, 0 for none */
u8 sprite_shift_x[16];  /* pixels by which a walking person is away from its cell */
u8 sprite_shift_y[16];
static u8 background_row; /* tile of the background map in the screen's upper left corner */
static u8 background_column;
static u8 scroll_x;
static u8 scroll_y;
static u8 sprites_changed;
static u8 sprites_end; /* bytes of the sprite table in use */
static u8 window_top; /* the row of the mirror that the window begins with */

void sprite_dma(void);

void wait_vblank(void) {
    __asm__("halt");
    __asm__("nop");
    if (sprites_changed) {
        sprites_changed = 0;
        sprite_dma();
    }
    SCROLL_X = scroll_x;
    SCROLL_Y = scroll_y;
}

static void play_time(void) {
    if (++wPlayTimeFrames < 60) return;
    wPlayTimeFrames = 0;
    if (++wPlayTimeSeconds < 60) return;
    wPlayTimeSeconds = 0;
    if (++wPlayTimeMinutes < 60) return;
    wPlayTimeMinutes = 0;
    if (wPlayTimeHours < 255) wPlayTimeHours++;
}

void frame_end(void) {
    hFrameCounter++;
    play_time();
    input_read();
}

void vsync(void) {
    wait_vblank();
    frame_end();
}

void wait_frames(u8 count) {
    while (count--) vsync();
}

void lcd_off(void) {
    if (LCDC & 0x80) wait_vblank(); /* a screen that is off gives no VBlank to wait for */
    LCDC = 0;
}

void lcd_on(void) {
    sprites_changed = 0;
    sprite_dma();
    SCROLL_X = scroll_x;
    SCROLL_Y = scroll_y;
    LCDC = LCD_VIEW;
}

/* Copies to video memory while the screen is off. */
void upload(u8 *to, const u8 *from, u16 bytes) {
    while (bytes) {
        copy_count = bytes > 128 ? 128 : (u8)bytes;
        copy_bytes(to, from);
        to += copy_count;
        from += copy_count;
        bytes -= copy_count;
    }
}

/* One bit a pixel becomes black on white. */
void unpack_font(u8 *to, const u8 *from, u8 glyphs) {
    u16 rows = (u16)glyphs << 3;
    while (rows--) {
        *to++ = *from;
        *to++ = *from++;
    }
}

void view_load_tiles(void) {
    upload((u8 *)0x9000, art_background, art_background_size);
}

void video_start(void) {
    copy_count = 128;
    copy_bytes((u8 *)METATILE_TABLE, metatile_tiles);
    copy_bytes((u8 *)METATILE_TABLE + 128, metatile_tiles + 128);
    view_load_tiles();
    upload((u8 *)0x9600, art_interface, art_interface_size);
    upload((u8 *)0x8000, art_people, art_people_size);
    unpack_font((u8 *)0x8800, font_letters, 58);
    unpack_font((u8 *)0x8E00, font_signs, 32);
    IO(0x47) = 0xE4; /* background shades in order */
    IO(0x48) = 0xD0; /* sprites: transparent, white, light, black */
    IO(0x49) = 0xE0; /* darker clothes for the second half of the people */
    WINDOW_X = 7;
}

void view_mirror(u8 x, u8 y) {
    u8 row;
    u8 *tiles = wTileMap;
    const u8 *cells = wOverworldMap + (u16)y * map_stride + x;
    for (row = 9; row; row--) {
        mirror_row(tiles, cells);
        tiles += 40;
        cells += map_stride;
    }
}

static void background_row_write(u8 row) {
    u8 *line = (u8 *)BACKGROUND + ((u16)((background_row + row) & 31) << 5);
    const u8 *tiles = wTileMap + (u16)row * 20;
    u8 until_wrap = 32 - background_column;
    if (until_wrap >= 20) {
        copy_count = 20;
        copy_bytes(line + background_column, tiles);
        return;
    }
    copy_count = until_wrap;
    copy_bytes(line + background_column, tiles);
    copy_count = 20 - until_wrap;
    copy_bytes(line, tiles + until_wrap);
}

static void background_column_write(u8 column) {
    u8 *corner = (u8 *)BACKGROUND + ((u16)background_row << 5) + ((background_column + column) & 31);
    column_write(corner, wTileMap + column);
}

/* Shows the map around the player from scratch; the screen goes blank for about a frame. */
void view_redraw(void) {
    u8 row;
    view_mirror(wXCoord, wYCoord);
    lcd_off();
    background_row = background_column = scroll_x = scroll_y = 0;
    for (row = 0; row < 18; row++) background_row_write(row);
    sprites_draw(0, 0);
    lcd_on();
}

static u8 *sprite_out;

/* A person seen from the front or behind is one half and its mirror image; a side view has four tiles of its own. */
static void person_draw(u8 x, u8 y, u8 tile, u8 attributes, u8 facing) {
    u8 part, column;
    if (facing == FACING_RIGHT) attributes |= FLIP;
    if (facing & 8) tile += 4;
    else tile += facing >> 1;
    for (part = 0; part < 4; part++) {
        column = part & 1;
        sprite_out[0] = y + 16 + ((part & 2) << 2);
        if (facing & 8) {
            sprite_out[2] = tile + part;
            sprite_out[3] = attributes;
            column ^= facing == FACING_RIGHT;
        } else {
            sprite_out[2] = tile + (part >> 1);
            sprite_out[3] = column ? attributes | FLIP : attributes;
        }
        sprite_out[1] = x + 8 + (column << 3);
        sprite_out += 4;
    }
}

static void player_draw(void) {
    person_draw(PLAYER_X, PLAYER_Y, wWalkCounter & 2 ? PLAYER_STRIDE : 0, 0, wPlayerFacing);
}

static void someone_draw(u8 slot, u8 picture, u8 x, u8 y) {
    person_draw(x, y, people_tiles[picture], people_attributes[picture], people_single[picture] ? 0 : SPRITE_FACING(slot));
    if (slot != bubble_slot) return;
    sprite_out[0] = y + 6;
    sprite_out[1] = x + 12;
    sprite_out[2] = glyph('!');
    sprite_out[3] = 0;
    sprite_out += 4;
}

/* Draws everyone in view; the offset is how far the view still is from the player's cell. */
void sprites_draw(u8 offset_x, u8 offset_y) {
    u8 slot, picture, dx, dy;
    u8 *end;
    sprite_out = wShadowOAM;
    player_draw();
    for (slot = 1; slot <= wNumSprites; slot++) {
        picture = SPRITE_PICTURE(slot);
        dx = SPRITE_MAP_X(slot) - wXCoord;
        dy = SPRITE_MAP_Y(slot) - wYCoord;
        if (picture == 0 || (u8)(dx + 1) > 11 || (u8)(dy + 1) > 11) continue;
        dx = (dx << 4) + offset_x + sprite_shift_x[slot];
        dy = (dy << 4) + offset_y + sprite_shift_y[slot] - 4;
        someone_draw(slot, picture, dx, dy);
    }
    end = sprite_out;
    while (sprite_out < wShadowOAM + sprites_end) {
        *sprite_out = 0;
        sprite_out += 4;
    }
    sprites_end = (u8)(end - wShadowOAM);
    sprites_changed = 1;
}

void sprites_hide_all(void) {
    u8 entry;
    for (entry = 0; entry < 160; entry += 4) wShadowOAM[entry] = 0;
    sprites_end = 0;
    sprites_changed = 1;
}

static void sprites_move(u8 dx, u8 dy) {
    u8 entry;
    sprite_out = wShadowOAM;
    player_draw();
    for (entry = 16; entry < sprites_end; entry += 4) {
        wShadowOAM[entry] -= dy;
        wShadowOAM[entry + 1] -= dx;
    }
    sprites_changed = 1;
}

/* Scrolls one cell: the mirror already shows the goal, whose new edge enters video memory before it comes into view. */
void view_walk(s8 dx, s8 dy) {
    u8 step_x = (u8)(dx * 2), step_y = (u8)(dy * 2);
    wWalkCounter = 8;
    view_mirror(wXCoord + dx, wYCoord + dy);
    background_column = (background_column + step_x) & 31;
    background_row = (background_row + step_y) & 31;
    wXCoord += dx;
    wYCoord += dy;
    sprites_draw((u8)(dx << 4), (u8)(dy << 4));
    wait_vblank();
    if (dx) {
        background_column_write(dx > 0 ? 18 : 0);
    } else {
        background_row_write(dy > 0 ? 16 : 0);
        background_row_write(dy > 0 ? 17 : 1);
    }
    frame_end();
    while (wWalkCounter) {
        wWalkCounter--;
        scroll_x += step_x;
        scroll_y += step_y;
        sprites_move(step_x, step_y);
        vsync();
        if (wWalkCounter & 1) vsync(); /* 12 frames a cell: eight moves, every other one shown twice */
    }
}

/* The window shows the mirror from a row downwards; sprites that the new box covers are put away. */
void window_show(u8 first_row, u8 first_hidden_x) {
    u8 entry, top = (first_row << 3) + 8;
    if (wFontLoaded == 0) {
        for (entry = 0; entry < sprites_end; entry += 4)
            if (wShadowOAM[entry] > top && wShadowOAM[entry + 1] > first_hidden_x) wShadowOAM[entry] = 0;
        sprites_changed = 1;
    }
    wFontLoaded = 1;
    window_top = first_row;
    window_rows(first_row, 17);
    WINDOW_Y = first_row << 3;
    LCDC = LCD_WINDOW;
}

/* Six rows fit into one VBlank. */
void window_rows(u8 first_row, u8 last_row) {
    u8 row, budget = 0;
    for (row = first_row; row <= last_row; row++) {
        if (budget == 0) {
            wait_vblank();
            budget = 5;
        }
        copy_count = 20;
        copy_bytes((u8 *)WINDOW + ((u16)(row - window_top) << 5), wTileMap + (u16)row * 20);
        if (--budget == 0) frame_end();
    }
    if (budget) frame_end();
}

void window_hide(void) {
    wFontLoaded = 0;
    LCDC = LCD_VIEW;
}
