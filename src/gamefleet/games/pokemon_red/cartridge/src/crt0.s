; Start-up code: interrupt vector, header entry, clean memory, the sprite copy routine in high RAM.
;
; The logo, the title and the checksums of the header are filled in by build.py.
	.module crt0
	.globl	_main
	.globl	_sprite_dma

	.area	_HEADER (ABS)
	.org	0x40
	reti				; VBlank only wakes the HALT in wait_vblank
	.org	0x100
	nop
	jp	0x150
	.org	0x150
	di
	ld	sp, #0xdfff
	call	gsinit
	call	_main
1$:	halt
	jr	1$

	.area	_HOME
	.area	_CODE

; Copies the sprite table. The processor can only use high RAM meanwhile, hence the copy of this routine there.
sprite_dma_source:
	ld	a, #0xc3
	ldh	(0x46), a
	ld	a, #40
2$:	dec	a
	jr	nz, 2$
	ret
sprite_dma_end:
_sprite_dma	.equ	0xff80

	.area	_INITIALIZER
	.area	_GSINIT
	.area	_GSFINAL
	.area	_DATA
	.area	_INITIALIZED
	.area	_BSEG
	.area	_BSS
	.area	_HEAP

	.area	_GSINIT
gsinit::
	ld	hl, #0xc000		; all of WRAM below the stack
	ld	bc, #0x1f00
3$:	xor	a, a
	ld	(hl+), a
	dec	bc
	ld	a, b
	or	a, c
	jr	nz, 3$
	ld	hl, #sprite_dma_source
	ld	c, #0x80
	ld	b, #sprite_dma_end - sprite_dma_source
4$:	ld	a, (hl+)
	ldh	(c), a
	inc	c
	dec	b
	jr	nz, 4$
	.area	_GSFINAL
	ret
