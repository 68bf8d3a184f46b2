/*
 * The bag and the purse: item stacks, using items, three BCD bytes of money.
 */
#include "game.h"

#define BAG_KINDS 20
#define STACK_MAX 99
#define REPEL_STEPS 100

const Item *item_of(u8 item) {
    const Item *entry = items;
    while (entry->id != item) entry++;
    return entry;
}

static u8 bag_find(u8 item) {
    u8 i;
    for (i = 0; i < wNumBagItems; i++)
        if (wBagItems[i << 1] == item) return i;
    return CANCELLED;
}

u8 bag_count(u8 item) {
    u8 i = bag_find(item);
    return i == CANCELLED ? 0 : wBagItems[(i << 1) + 1];
}

void bag_add(u8 item, u8 count) {
    u8 i = bag_find(item), *stack;
    if (i == CANCELLED) {
        if (wNumBagItems == BAG_KINDS) return;
        i = wNumBagItems++;
        wBagItems[i << 1] = item;
        wBagItems[(i << 1) + 1] = 0;
        wBagItems[(i << 1) + 2] = 0xFF;
    }
    stack = &wBagItems[(i << 1) + 1];
    *stack = *stack + count > STACK_MAX ? STACK_MAX : *stack + count;
}

void bag_remove(u8 item) {
    u8 i = bag_find(item);
    if (i == CANCELLED || --wBagItems[(i << 1) + 1]) return;
    for (; i < wNumBagItems; i++) {
        wBagItems[i << 1] = wBagItems[(i << 1) + 2];
        wBagItems[(i << 1) + 1] = wBagItems[(i << 1) + 3];
    }
    wNumBagItems--;
    wBagItems[wNumBagItems << 1] = 0xFF;
}

void draw_bag_entry(u8 index, u8 x, u8 y) {
    const Item *item = item_of(wBagItems[index << 1]);
    print_at(x + 1, y, item->name);
    if (item->kind == KIND_KEY) return;
    print_at(x + 13, y, "*");
    number_at(x + 14, y, wBagItems[(index << 1) + 1], 2);
}

/* Shows the bag; returns an item or CANCELLED. The caller restores the screen. */
u8 bag_menu(void) {
    u8 index;
    clear_screen();
    sprites_hide_all();
    print_at(1, 1, "BAG");
    money_at(12, 1);
    box(0, 3, 20, 11);
    window_show(0, 0);
    if (wNumBagItems == 0) {
        print_at(2, 5, "Nothing yet.");
        window_rows(5, 5);
        do vsync();
        while ((joy_pressed & (BUTTON_A | BUTTON_B)) == 0);
        return CANCELLED;
    }
    index = menu_list(1, 5, wNumBagItems, draw_bag_entry);
    return index == CANCELLED ? CANCELLED : wBagItems[index << 1];
}

/* Gives medicine to a chosen creature; returns 1 when it was used up. */
u8 item_use_on_party(u8 item) {
    u8 index = party_menu(TEXT_USE_ON);
    Creature *creature = &wPartyMons[index];
    u16 hp, limit;
    if (index == CANCELLED) return 0;
    hp = word_get(creature->hp);
    limit = word_get(creature->max_hp);
    if (hp == 0 || hp == limit) {
        say(TEXT_NO_EFFECT);
        return 0;
    }
    hp += item_of(item)->amount;
    word_set(creature->hp, hp > limit ? limit : hp);
    bag_remove(item);
    name_a = name_of(creature->species);
    say(TEXT_RECOVERED);
    return 1;
}

/* Uses an item from the START menu. */
void item_use_field(u8 item) {
    switch (item_of(item)->kind) {
        case KIND_MEDICINE:
            if (wPartyCount) item_use_on_party(item);
            return;
        case KIND_REPEL:
            bag_remove(item);
            wRepelRemainingSteps = REPEL_STEPS;
            say(TEXT_REPEL_USED);
            return;
        default:
            say(item == ITEM_SHEARS ? TEXT_USE_SHEARS : TEXT_NOT_NOW);
    }
}

/* Adds two BCD digits and a carry. */
static u8 carry;

static u8 bcd_sum(u8 a, u8 b) {
    u8 low = (a & 15) + (b & 15) + carry, high = (a >> 4) + (b >> 4);
    if (low > 9) {
        low -= 10;
        high++;
    }
    carry = high > 9;
    if (carry) high -= 10;
    return high << 4 | low;
}

void money_add(u16 bcd) {
    carry = 0;
    wPlayerMoney[2] = bcd_sum(wPlayerMoney[2], (u8)bcd);
    wPlayerMoney[1] = bcd_sum(wPlayerMoney[1], bcd >> 8);
    wPlayerMoney[0] = bcd_sum(wPlayerMoney[0], 0);
    if (carry) wPlayerMoney[0] = wPlayerMoney[1] = wPlayerMoney[2] = 0x99;
}

/* Takes a price; returns 0, changing nothing, when the money does not suffice. */
u8 money_pay(u16 bcd) {
    if (wPlayerMoney[0] == 0 && word_get(wPlayerMoney + 1) < bcd) return 0; /* BCD compares like numbers */
    carry = 1; /* adding the complement to 999999 and one subtracts */
    wPlayerMoney[2] = bcd_sum(wPlayerMoney[2], 0x99 - (u8)bcd);
    wPlayerMoney[1] = bcd_sum(wPlayerMoney[1], 0x99 - (bcd >> 8));
    wPlayerMoney[0] = bcd_sum(wPlayerMoney[0], 0x99);
    return 1;
}

/* Halves digit by digit: what an odd digit leaves over is five in the next one. */
void money_halve(void) {
    u8 i, high, low, left = 0;
    for (i = 0; i < 3; i++) {
        high = (wPlayerMoney[i] >> 4) + left;
        left = high & 1 ? 10 : 0;
        low = (wPlayerMoney[i] & 15) + left;
        left = low & 1 ? 10 : 0;
        wPlayerMoney[i] = (high >> 1) << 4 | low >> 1;
    }
}

static void draw_shop_entry(u8 index, u8 x, u8 y) {
    const Item *item = item_of(shop_items[index]);
    u16 price = item->price;
    u8 digit;
    print_at(x + 1, y, item->name);
    for (digit = 17; price; digit--) {
        wTileMap[(u16)y * 20 + digit] = 0xF6 + (price & 15);
        price >>= 4;
    }
    wTileMap[(u16)y * 20 + digit] = glyph('$');
}

/* One item for each A, until B. */
void shop(void) {
    u8 index;
    const Item *item;
    say(TEXT_SHOP_WELCOME);
    for (;;) {
        clear_screen();
        sprites_hide_all();
        print_at(1, 1, "SHOP");
        money_at(12, 1);
        box(0, 3, 20, 11);
        window_hide();
        window_show(0, 0);
        index = menu_list(1, 5, SHOP_COUNT, draw_shop_entry);
        if (index == CANCELLED) break;
        item = item_of(shop_items[index]);
        name_a = item->name;
        if (!money_pay(item->price)) {
            say(TEXT_NO_MONEY);
            continue;
        }
        bag_add(item->id, 1);
        say(TEXT_BOUGHT);
    }
    text_close();
}
