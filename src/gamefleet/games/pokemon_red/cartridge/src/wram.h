/*
 * Work RAM layout: the story state lives where Pokemon Red keeps it, so that one environment reads both cartridges.
 *
 * The addresses are facts about the commercial game; nothing else of it is used. The engine's own variables are placed
 * by the linker from 0xDC10; the few of them that an environment may want to write have fixed addresses below.
 */
#ifndef WRAM_H
#define WRAM_H

#include <stdint.h>

typedef uint8_t u8;
typedef int8_t s8;
typedef uint16_t u16;

#define BYTE_AT(address) (*(u8 *)(address))
#define BYTES_AT(address) ((u8 *)(address))
#define WORD_AT(address) (*(u16 *)(address))
#define IO(offset) (*(volatile u8 *)(0xFF00 + (offset)))

/* One creature in a party: 44 bytes, two-byte numbers are big endian. */
typedef struct {
    u8 species;
    u8 hp[2];
    u8 box_level;
    u8 status;
    u8 type1;
    u8 type2;
    u8 catch_rate;
    u8 moves[4];
    u8 trainer_id[2];
    u8 experience[3];
    u8 stat_experience[10];
    u8 genes[2];
    u8 pp[4];
    u8 level;
    u8 max_hp[2];
    u8 stats[8]; /* attack, defence, speed, special */
} Creature;

/* One creature on the battle field: 29 bytes; its stats may be lowered during the battle without harm to the party. */
typedef struct {
    u8 species;
    u8 hp[2];
    u8 position;
    u8 status;
    u8 type1;
    u8 type2;
    u8 catch_rate;
    u8 moves[4];
    u8 genes[2];
    u8 level;
    u8 max_hp[2];
    u8 stats[8];
    u8 pp[4];
} Fighter;

#define STAT_ATTACK 0
#define STAT_DEFENCE 2
#define STAT_SPEED 4

/* Sprites: slot 0 is the player, slots 1.. are the people of the map; 16 bytes a slot. */
#define SPRITE_PICTURE(slot) BYTE_AT(0xC100 + ((u8)(slot) << 4))
#define SPRITE_FACING(slot) BYTE_AT(0xC109 + ((u8)(slot) << 4))
#define SPRITE_MAP_Y(slot) BYTE_AT(0xC204 + ((u8)(slot) << 4)) /* map row + 4 */
#define SPRITE_MAP_X(slot) BYTE_AT(0xC205 + ((u8)(slot) << 4)) /* map column + 4 */
#define wSpritePlayerStateData1MovementStatus BYTE_AT(0xC101)
#define wPlayerFacing BYTE_AT(0xC109)

#define wShadowOAM BYTES_AT(0xC300)
#define wTileMap BYTES_AT(0xC3A0)
#define METATILE_TABLE 0xC600 /* page aligned: four planes of 64 tile numbers, 40 of them in use; see fast.s */
#define wOverworldMap BYTES_AT(0xC6E8)
#define OVERWORLD_MAP_SIZE 1300

#define wTopMenuItemY BYTE_AT(0xCC24)
#define wTopMenuItemX BYTE_AT(0xCC25)
#define wCurrentMenuItem BYTE_AT(0xCC26)
#define wMaxMenuItem BYTE_AT(0xCC28)
#define wPlayerMoveListIndex BYTE_AT(0xCC2E)
#define wPlayerMonNumber BYTE_AT(0xCC2F)
#define wListScrollOffset BYTE_AT(0xCC36)
#define wPlayerSelectedMove BYTE_AT(0xCCDC)
#define wEnemySelectedMove BYTE_AT(0xCCDD)
#define wJoyIgnore BYTE_AT(0xCD6B)
#define wFontLoaded BYTE_AT(0xCFC4)
#define wWalkCounter BYTE_AT(0xCFC5)
#define wEnemyMon ((Fighter *)0xCFE5)
#define wBattleMon ((Fighter *)0xD014)
#define wTrainerClass BYTE_AT(0xD031)
#define wIsInBattle BYTE_AT(0xD057)
#define wCurOpponent BYTE_AT(0xD059)
#define wRepelRemainingSteps BYTE_AT(0xD0DB)
#define wCurEnemyLevel BYTE_AT(0xD127)
#define wStepCounter BYTE_AT(0xD13B)
#define wPlayerName BYTES_AT(0xD158)
#define wPartyCount BYTE_AT(0xD163)
#define wPartySpecies BYTES_AT(0xD164)
#define wPartyMons ((Creature *)0xD16B)
#define wPartyMonNicks BYTES_AT(0xD2B5)
#define wPokedexOwned BYTES_AT(0xD2F7)
#define wPokedexSeen BYTES_AT(0xD30A)
#define wNumBagItems BYTE_AT(0xD31D)
#define wBagItems BYTES_AT(0xD31E)
#define wPlayerMoney BYTES_AT(0xD347)
#define wRivalName BYTES_AT(0xD34A)
#define wObtainedBadges BYTE_AT(0xD356)
#define wPlayerID BYTES_AT(0xD359)
#define wCurMap BYTE_AT(0xD35E)
#define wYCoord BYTE_AT(0xD361)
#define wXCoord BYTE_AT(0xD362)
#define wLastMap BYTE_AT(0xD365)
#define wCurMapTileset BYTE_AT(0xD367)
#define wCurMapHeight BYTE_AT(0xD368)
#define wCurMapWidth BYTE_AT(0xD369)
#define wNumberOfWarps BYTE_AT(0xD3AE)
#define wNumSigns BYTE_AT(0xD4B0)
#define wNumSprites BYTE_AT(0xD4E1)
#define wPlayerMovingDirection BYTE_AT(0xD528)
#define wPlayerLastStopDirection BYTE_AT(0xD529)
#define wPlayerDirection BYTE_AT(0xD52A)
#define wFlagBase BYTES_AT(0xD5A6) /* wToggleableObjectFlags; flags are numbered from its first bit */
#define wTownVisitedFlag BYTE_AT(0xD70B)
#define wRivalStarter BYTE_AT(0xD715)
#define wPlayerStarter BYTE_AT(0xD717)
#define wLastBlackoutMap BYTE_AT(0xD719)
#define wDestinationMap BYTE_AT(0xD71A)
#define wBeatGymFlags BYTE_AT(0xD72A)
#define wGrassRate BYTE_AT(0xD887)
#define wGrassMons BYTES_AT(0xD888)
#define wEnemyPartyCount BYTE_AT(0xD89C)
#define wEnemyPartySpecies BYTES_AT(0xD89D)
#define wEnemyMons ((Creature *)0xD8A4)
#define wPlayTimeHours BYTE_AT(0xDA41)
#define wPlayTimeMinutes BYTE_AT(0xDA43)
#define wPlayTimeSeconds BYTE_AT(0xDA44)
#define wPlayTimeFrames BYTE_AT(0xDA45)

/* Engine variables with a promised address. */
#define SEED_LOW BYTE_AT(0xDC00) /* an environment may write the 16-bit seed at any time */
#define SEED_HIGH BYTE_AT(0xDC01)
#define STEPS_TO_SAFETY BYTE_AT(0xDC02) /* steps during which no wild creature appears */

#define hJoyPressed IO(0xB3)
#define hJoyHeld IO(0xB4)
#define hFrameCounter IO(0xD5)
#define hJoyInput IO(0xF8)

/* A flag number counts bits from wFlagBase; event flag n of the commercial game's table is EVENT(n). */
#define EVENT(index) ((u16)(3336 + (index)))

#endif
