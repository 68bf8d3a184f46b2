/* What the engine's modules offer each other, grouped by module. Each .c file opens with its job. */
#ifndef GAME_H
#define GAME_H

#include "world.h"
#include "wram.h"

/* input.c: the joypad and the random numbers */
#define BUTTON_A 0x01
#define BUTTON_B 0x02
#define BUTTON_START 0x08
#define BUTTON_RIGHT 0x10
#define BUTTON_LEFT 0x20
#define BUTTON_UP 0x40
#define BUTTON_DOWN 0x80
#define IGNORE_ALL_BUT_A_B 0xFC
extern u8 joy_held;
extern u8 joy_pressed;
void input_read(void);
u8 random_byte(void);

/* fast.s: loops that would cost whole frames in C */
extern u8 copy_count;
void copy_bytes(u8 *to, const u8 *from);          /* copy_count bytes */
void mirror_row(u8 *tile_rows, const u8 *cells);  /* 10 cells -> two rows of 20 tiles */
void column_write(u8 *background, const u8 *tile_column); /* two columns x 18 rows */
void map_fill(u8 cell);

/* video.c: frames, scrolling, the tile map mirror, sprites, the window */
#define FACING_DOWN 0
#define FACING_UP 4
#define FACING_LEFT 8
#define FACING_RIGHT 12
#define TILE_SPACE 0x7F
extern u8 bubble_slot;
extern u8 sprite_shift_x[16];
extern u8 sprite_shift_y[16];
void video_start(void);
void vsync(void);
void wait_vblank(void);
void frame_end(void);
void wait_frames(u8 count);
void lcd_off(void);
void lcd_on(void);
void view_mirror(u8 x, u8 y);
void view_redraw(void);
void view_load_tiles(void);
void view_walk(s8 dx, s8 dy);
void sprites_draw(u8 offset_x, u8 offset_y);
void sprites_hide_all(void);
void window_show(u8 first_row, u8 first_hidden_x);
void window_rows(u8 first_row, u8 last_row);
void window_hide(void);
void unpack_font(u8 *to, const u8 *from, u8 glyphs);
void upload(u8 *to, const u8 *from, u16 bytes);

/* text.c: boxes, words and numbers in the tile map mirror; dialogue */
extern const char *name_a;
extern const char *name_b;
void box(u8 x, u8 y, u8 width, u8 height);
void clear_screen(void);
void print_at(u8 x, u8 y, const char *text);
void number_at(u8 x, u8 y, u16 value, u8 digits);
void money_at(u8 x, u8 y);
void say(const char *text);
void say_stay(const char *text);
void text_close(void);
void encode_name(u8 *to, const char *name, u8 size);
u8 ask(const char *question);
u8 glyph(char letter);

/* menu.c: cursors and lists; menu_start.c: the START menu */
#define CANCELLED 0xFF
extern u8 menu_single_spaced;
typedef void (*DrawEntry)(u8 index, u8 x, u8 y);
u8 menu_choose(u8 x, u8 y, u8 count, u8 start);
u8 menu_list(u8 x, u8 y, u8 count, DrawEntry draw);
u8 party_menu(const char *title);
void start_menu(void);

/* bag.c: items and money */
u8 bag_count(u8 item);
void bag_add(u8 item, u8 count);
void bag_remove(u8 item);
u8 bag_menu(void);
void money_add(u16 bcd);
u8 money_pay(u16 bcd);
void money_halve(void);
u8 item_use_on_party(u8 item);
void item_use_field(u8 item);
void draw_bag_entry(u8 index, u8 x, u8 y);
const Item *item_of(u8 item);
void shop(void);

/* creature.c: building, healing and teaching creatures */
u16 word_get(const u8 *field);
void word_set(u8 *field, u16 value);
void creature_build(Creature *creature, u8 species, u8 level);
void creature_restat(Creature *creature);
void creature_heal(Creature *creature);
u8 party_add(u8 species, u8 level);
void party_heal(void);
void party_swap(u8 first, u8 second);
u8 party_first_alive(void);
u8 party_knows(u8 move);
u8 creature_learn(Creature *creature, u8 move);
void experience_gain(Creature *creature, u16 amount);
void dex_mark(u8 *bits, u8 species);
u8 dex_count(const u8 *bits);
const char *name_of(u8 species);

/* battle_rules.c: arithmetic of a turn */
extern u8 effectiveness; /* of the last damage_of: 4 is normal */
u16 damage_of(const Fighter *attacker, const Fighter *defender, const Move *move);
u8 catch_succeeds(const Fighter *target);
u8 escape_succeeds(void);
u8 enemy_pick_move(void);
void fighter_enter(Fighter *fighter, const Creature *creature, u8 position);
void fighter_leave(const Fighter *fighter, Creature *creature);

/* battle_screen.c: what a battle looks like */
void battle_screen_open(void);
void battle_screen_close(void);
void battle_screen_draw(void);
void battle_show_pictures(u8 enemy, u8 own);
void battle_draw_health(void);
u8 battle_action_menu(void);
u8 battle_move_menu(void);

/* battle.c: turns from the first to the last */
#define BATTLE_LOST 0
#define BATTLE_WON 1
#define BATTLE_RAN 2
#define BATTLE_CAUGHT 3
#define ACTION_FIGHT 0
#define ACTION_BAG 1
#define ACTION_MON 2
#define ACTION_RUN 3
u8 battle_wild(u8 species, u8 level);
u8 battle_trainer(const Trainer *trainer);

/* map.c: loading maps, looking at cells, flags */
extern const Map *current_map;
extern u8 map_width;
extern u8 map_height;
extern u8 map_stride;
void map_load(u8 id, u8 x, u8 y);
void map_enter(u8 id, u8 x, u8 y);
u8 cell_at(u8 x, u8 y);
void cell_set(u8 x, u8 y, u8 cell);
u8 flag_get(u16 flag);
void flag_set(u16 flag);
void people_place(void);
u8 person_at(u8 x, u8 y);
const Person *person_of(u8 slot);

/* overworld.c: walking and everything a step can start */
void overworld_frame(void);
void step_scripted(u8 facing);
void person_walk(u8 slot, u8 facing);
u8 delta_x(u8 facing);
u8 delta_y(u8 facing);
void blackout(void);

/* story.c: what people do and what happens where */
void story_run(u8 script, u8 slot);
void trainer_meet(u8 slot);
void story_start(void);

#endif
