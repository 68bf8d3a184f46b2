/* Powers the hardware up, lays out the first scene and runs the overworld forever. */
#include "game.h"

void main(void) {
    IO(0xFF) = 1; /* only VBlank wakes the processor */
    IO(0x0F) = 0;
    SEED_HIGH = 0xAC;
    SEED_LOW = 0xE1;
    __asm__("ei");
    lcd_off();
    video_start();
    story_start();
    for (;;) overworld_frame();
}
