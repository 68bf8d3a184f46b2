/* Shapes of the tables that build.py compiles from the world and art folders; ids.h names their entries. */
#ifndef WORLD_H
#define WORLD_H

#include "ids.h"
#include "wram.h"

typedef struct {
    const char *name;
    u8 type;
    u8 power; /* 0: the move only has an effect */
    u8 accuracy; /* of 255 */
    u8 pp;
    u8 effect;
} Move;

#define EFFECT_NONE 0
#define EFFECT_LOWER_ATTACK 1
#define EFFECT_LOWER_DEFENCE 2
#define EFFECT_RECOIL 3

typedef struct {
    const char *name;
    u8 base[5]; /* health, attack, defence, speed, special */
    u8 type1;
    u8 type2;
    u8 catch_rate;
    u8 yield;
    const u8 *learnset; /* level, move, ... 0 */
    const u8 *front;
    const u8 *back;
} Species;

typedef struct {
    u8 id;
    const char *name;
    u16 price; /* BCD */
    u8 kind;
    u8 amount;
} Item;

#define KIND_KEY 0
#define KIND_BALL 1
#define KIND_MEDICINE 2
#define KIND_REPEL 3

typedef struct {
    const char *name;
    u8 class;
    u8 count;
    u8 team[6]; /* species, level, ... */
    u16 prize;  /* BCD */
    u16 flag;
    u8 sight;
    const char *before;
    const char *defeat;
} Trainer;

#define FLAG_MASK 0x3FFF
#define FLAG_SHOWS 0x4000 /* the person is there only once the flag is set */
#define FLAG_HIDES 0x8000 /* the person is there until the flag is set */

typedef struct {
    u8 x;
    u8 y;
    u8 look; /* 0: a sign or a thing without a sprite */
    u8 facing;
    u8 script;
    u8 argument; /* trainer, item or species, as the script needs */
    u16 flag;
    const char *text;
} Person;

typedef struct {
    u8 x;
    u8 y;
    u8 map;
    u8 to_x;
    u8 to_y;
} Warp;

typedef struct {
    u8 x;
    u8 y;
    u8 script;
} Trigger;

typedef struct {
    u8 id;
    u8 width;
    u8 height;
    u8 tileset;
    u8 border;
    u8 rate;
    u8 warp_count;
    u8 person_count;
    u8 trigger_count;
    const u8 *cells;
    const Warp *warps;
    const Person *people;
    const Trigger *triggers;
    const u8 *wild; /* ten pairs: level, species */
} Map;

typedef struct {
    u8 map;
    u8 x;
    u8 y;
} Arrival;

#define CELL_SOLID 1
#define CELL_WILD 2
#define CELL_COUNTER 4

extern const Map maps[];
extern const Arrival arrivals[];
extern const Species species_table[];
extern const Move moves[];
extern const Item items[];
extern const Trainer trainers[];
extern const u8 type_chart[];
extern const u16 experience_table[];
extern const u8 shop_items[];
extern const u8 cell_attributes[];
extern const u8 metatile_tiles[];
extern const u8 art_background[];
extern const u16 art_background_size;
extern const u8 art_interface[];
extern const u16 art_interface_size;
extern const u8 art_people[];
extern const u16 art_people_size;
extern const u8 people_tiles[];
extern const u8 people_attributes[];
extern const u8 people_single[];
extern const u8 font_letters[];
extern const u8 font_signs[];

#endif
