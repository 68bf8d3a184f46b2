/*
 * Boxes, words and numbers in the tile map mirror, and dialogue at the bottom of the screen.
 *
 * A text is pages of two lines: '\n' starts the second line, '\f' the next page, '\1' and '\2' stand for name_a and
 * name_b. A page appears at once and waits for A or B. During cut-scenes (wJoyIgnore) and battles it also turns by
 * itself, so that no script can hang on a player who does nothing.
 */
#include "game.h"

#define PAGE_FRAMES 40 /* how long a page that turns by itself stays */
#define MORE_ARROW 0xEE
#define CORNER 0x79 /* upper left, horizontal, upper right, vertical, lower left, lower right */

const char *name_a;
const char *name_b;

u8 glyph(char letter) {
    u8 code = (u8)letter;
    if (code >= '0' && code <= '9') return code + 0xC6;
    if (code >= 'A') return code + 0x3F; /* both alphabets lie at the same distance from ASCII */
    switch (code) {
        case '(': return 0x9A;
        case ')': return 0x9B;
        case ':': return 0x9C;
        case '\'': return 0xE0;
        case '-': return 0xE3;
        case '?': return 0xE6;
        case '!': return 0xE7;
        case '.': return 0xE8;
        case '>': return 0xED;
        case '$': return 0xF0;
        case '*': return 0xF1;
        case '/': return 0xF3;
        case ',': return 0xF4;
    }
    return TILE_SPACE;
}

static u8 *tile_at(u8 x, u8 y) {
    return wTileMap + (u16)y * 20 + x;
}

static void line(u8 *tiles, u8 left, u8 middle, u8 right, u8 width) {
    *tiles++ = left;
    for (width -= 2; width; width--) *tiles++ = middle;
    *tiles = right;
}

void box(u8 x, u8 y, u8 width, u8 height) {
    u8 *tiles = tile_at(x, y);
    line(tiles, CORNER, CORNER + 1, CORNER + 2, width);
    for (height -= 2; height; height--) {
        tiles += 20;
        line(tiles, CORNER + 3, TILE_SPACE, CORNER + 3, width);
    }
    line(tiles + 20, CORNER + 4, CORNER + 1, CORNER + 5, width);
}

void clear_screen(void) {
    u16 i;
    for (i = 0; i < 360; i++) wTileMap[i] = TILE_SPACE;
}

/* Prints one line and returns where it stopped: at a control character or at the end. */
static const char *print_line(u8 *tiles, const char *text) {
    const char *name;
    while ((u8)*text >= 0x20 || *text == 1 || *text == 2) {
        if ((u8)*text < 0x20) {
            for (name = *text == 1 ? name_a : name_b; *name; name++) *tiles++ = glyph(*name);
        } else {
            *tiles++ = glyph(*text);
        }
        text++;
    }
    return text;
}

void print_at(u8 x, u8 y, const char *text) {
    print_line(tile_at(x, y), text);
}

void number_at(u8 x, u8 y, u16 value, u8 digits) {
    u8 *tiles = tile_at(x, y) + digits;
    u8 first = 1;
    while (digits--) {
        *--tiles = value || first ? 0xF6 + value % 10 : TILE_SPACE;
        value /= 10;
        first = 0;
    }
}

void money_at(u8 x, u8 y) {
    u8 *tiles = tile_at(x, y);
    u8 i, digit, started = 0;
    *tiles++ = glyph('$');
    for (i = 0; i < 6; i++) {
        digit = wPlayerMoney[i >> 1];
        digit = i & 1 ? digit & 15 : digit >> 4;
        if (digit || i == 5) started = 1;
        *tiles++ = started ? 0xF6 + digit : TILE_SPACE;
    }
}

static void page_wait(void) {
    u8 frames = PAGE_FRAMES;
    *tile_at(18, 16) = MORE_ARROW;
    window_rows(16, 16);
    for (;;) {
        vsync();
        if (joy_pressed & (BUTTON_A | BUTTON_B)) return;
        if ((wJoyIgnore || wIsInBattle) && --frames == 0) return;
    }
}

static const char *page_show(const char *text) {
    box(0, 12, 20, 6);
    text = print_line(tile_at(1, 14), text);
    if (*text == '\n') text = print_line(tile_at(1, 16), text + 1);
    if (wFontLoaded) window_rows(12, 17);
    else window_show(12, 0);
    return text;
}

/* Shows all pages and leaves the last one on screen, waiting only between pages. */
void say_stay(const char *text) {
    for (;;) {
        text = page_show(text);
        if (*text != '\f') return;
        page_wait();
        text++;
    }
}

void text_close(void) {
    window_hide();
    view_mirror(wXCoord, wYCoord);
    sprites_draw(0, 0);
}

void say(const char *text) {
    u8 was_open = wFontLoaded;
    say_stay(text);
    page_wait();
    if (!was_open) text_close();
}

/* Asks a yes/no question; B means no. */
u8 ask(const char *question) {
    u8 was_open = wFontLoaded, answer;
    say_stay(question);
    box(14, 7, 6, 5);
    print_at(16, 8, "YES");
    print_at(16, 10, "NO");
    window_hide();
    window_show(7, 112);
    answer = menu_choose(15, 8, 2, 0) == 0;
    if (!was_open) text_close();
    return answer;
}

/* Writes a name in the game's text encoding, 0x50 ends it. */
void encode_name(u8 *to, const char *name, u8 size) {
    for (; *name && size > 1; size--) *to++ = glyph(*name++);
    while (size--) *to++ = 0x50;
}
