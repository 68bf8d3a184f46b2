/*
 * Joypad and random numbers.
 *
 * The seed steps once a frame and is stirred by every newly pressed button, so all randomness is in the emulator's
 * state and an environment can choose it by writing the seed.
 */
#include "game.h"

u8 joy_held;
u8 joy_pressed;

static void seed_step(void) {
    u8 low_bit = SEED_LOW & 1;
    SEED_LOW = (SEED_LOW >> 1) | (SEED_HIGH << 7);
    SEED_HIGH >>= 1;
    if (low_bit) SEED_HIGH ^= 0xB4; /* taps of a 16-bit shift register that visits every state but zero */
}

void input_read(void) {
    u8 before = joy_held, now;
    IO(0x00) = 0x20;
    now = IO(0x00);
    now = IO(0x00); /* the lines need a moment to settle */
    now = (u8)(~now & 15) << 4;
    IO(0x00) = 0x10;
    joy_held = IO(0x00);
    joy_held = IO(0x00);
    now |= ~joy_held & 15;
    IO(0x00) = 0x30;
    hJoyInput = now;
    joy_held = now & ~wJoyIgnore;
    joy_pressed = joy_held & ~before;
    hJoyHeld = joy_held;
    hJoyPressed = joy_pressed;
    SEED_LOW ^= joy_pressed;
    if ((SEED_LOW | SEED_HIGH) == 0) SEED_HIGH = 0xAC;
    seed_step();
}

u8 random_byte(void) {
    u8 i;
    for (i = 8; i; i--) seed_step();
    return SEED_LOW;
}
