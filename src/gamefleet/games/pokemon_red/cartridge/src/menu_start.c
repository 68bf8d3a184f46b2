/*
 * The START menu: index of creatures, party, bag, notes about saving.
 *
 * Saving belongs to the emulator; the entry only says so. Entries appear when the story has given their object.
 */
#include "game.h"

#define ENTRIES 5

static const char *const entry_names[ENTRIES] = {"DEX", "MON", "BAG", "SAVE", "EXIT"};
static u8 shown[ENTRIES];

static void screen_reset(void) {
    view_mirror(wXCoord, wYCoord);
    sprites_draw(0, 0);
}

static u8 seen_list[SPECIES_COUNT];

static void draw_dex_entry(u8 index, u8 x, u8 y) {
    u8 species = seen_list[index];
    number_at(x + 1, y, species, 2);
    print_at(x + 4, y, name_of(species));
    if (wPokedexOwned[(species - 1) >> 3] >> ((species - 1) & 7) & 1) print_at(x + 15, y, "*");
}

static void dex_screen(void) {
    u8 species, count = 0;
    for (species = 1; species <= SPECIES_COUNT; species++)
        if (wPokedexSeen[(species - 1) >> 3] >> ((species - 1) & 7) & 1) seen_list[count++] = species;
    clear_screen();
    sprites_hide_all();
    print_at(1, 1, "SEEN");
    number_at(6, 1, dex_count(wPokedexSeen), 2);
    print_at(10, 1, "CAUGHT");
    number_at(17, 1, dex_count(wPokedexOwned), 2);
    box(0, 3, 20, 11);
    window_show(0, 0);
    if (count) menu_list(1, 5, count, draw_dex_entry);
}

static void creature_screen(const Creature *creature) {
    static const char *const names[4] = {"ATTACK", "DEFENCE", "SPEED", "SPECIAL"};
    u8 i;
    clear_screen();
    print_at(1, 1, name_of(creature->species));
    print_at(13, 1, "L");
    number_at(14, 1, creature->level, 2);
    for (i = 0; i < 4; i++) {
        print_at(1, 3 + i, names[i]);
        number_at(10, 3 + i, word_get(creature->stats + (i << 1)), 3);
    }
    print_at(1, 8, "EXP");
    number_at(9, 8, (u16)creature->experience[1] << 8 | creature->experience[2], 5);
    for (i = 0; i < 4 && creature->moves[i]; i++) {
        print_at(1, 10 + (i << 1), moves[creature->moves[i]].name);
        print_at(14, 10 + (i << 1), "PP");
        number_at(17, 10 + (i << 1), creature->pp[i], 2);
    }
    window_rows(0, 17);
    do vsync();
    while ((joy_pressed & (BUTTON_A | BUTTON_B)) == 0);
}

static void party_screen(void) {
    u8 index, choice;
    for (;;) {
        index = party_menu("Who?");
        if (index == CANCELLED) return;
        box(12, 11, 8, 7);
        print_at(14, 12, "STATS");
        print_at(14, 14, "LEAD");
        print_at(14, 16, "BACK");
        window_rows(11, 17);
        choice = menu_choose(13, 12, 3, 0);
        if (choice == 0) creature_screen(&wPartyMons[index]);
        if (choice == 1) party_swap(0, index);
    }
}

static void bag_screen(void) {
    u8 item = bag_menu();
    if (item != CANCELLED) {
        screen_reset();
        window_hide();
        item_use_field(item);
    }
}

static u8 entries_list(void) {
    u8 entry, count = 0;
    for (entry = 0; entry < ENTRIES; entry++) {
        if (entry == 0 && !flag_get(EVENT(37))) continue;
        if (entry == 1 && !wPartyCount) continue;
        shown[count++] = entry;
    }
    box(12, 0, 8, (count << 1) + 2);
    for (entry = 0; entry < count; entry++) print_at(14, 1 + (entry << 1), entry_names[shown[entry]]);
    return count;
}

void start_menu(void) {
    u8 choice = 0, count;
    do {
        window_hide();
        count = entries_list();
        window_show(0, 96);
        choice = menu_choose(13, 1, count, choice);
        if (choice == CANCELLED) break;
        switch (shown[choice]) {
            case 0: dex_screen(); break;
            case 1: party_screen(); break;
            case 2: bag_screen(); break;
            case 3: say(TEXT_SAVE); break;
            default: choice = CANCELLED;
        }
        screen_reset();
    } while (choice != CANCELLED);
    text_close();
}
