; Inner loops that run on every step or inside VBlank, where C would cost whole frames.
;
; Calling convention of sdcc for sm83: the first 16-bit argument is in DE, the second in BC; a single byte is in A.
	.module fast
	.globl	_copy_bytes
	.globl	_copy_count
	.globl	_mirror_row
	.globl	_column_write
	.globl	_map_fill

	.area	_DATA
_copy_count::
	.ds	1

	.area	_CODE

; void copy_bytes(u8 *to, const u8 *from): copy_count bytes, at least one
_copy_bytes::
	ld	h, d
	ld	l, e
	ld	a, (#_copy_count)
	ld	d, a
	bit	0, d
	jr	z, 1$
	ld	a, (bc)			; an odd byte first, then pairs
	ld	(hl+), a
	inc	bc
	dec	d
	ret	z
1$:	ld	a, (bc)
	ld	(hl+), a
	inc	bc
	ld	a, (bc)
	ld	(hl+), a
	inc	bc
	dec	d
	dec	d
	jr	nz, 1$
	ret

; void mirror_row(u8 *tile_rows, const u8 *cells): 10 cells become two rows of 20 tiles.
; The table at 0xC600 holds four planes of 64 bytes: upper left, upper right, lower left, lower right.
_mirror_row::
	ld	h, #0xc6
	push	bc
	ld	a, #10
1$:	push	af
	ld	a, (bc)
	inc	bc
	ld	l, a
	ld	a, (hl)
	ld	(de), a
	inc	de
	set	6, l
	ld	a, (hl)
	ld	(de), a
	inc	de
	pop	af
	dec	a
	jr	nz, 1$
	pop	bc
	ld	a, #10
2$:	push	af
	ld	a, (bc)
	inc	bc
	ld	l, a
	set	7, l
	ld	a, (hl)
	ld	(de), a
	inc	de
	set	6, l
	ld	a, (hl)
	ld	(de), a
	inc	de
	pop	af
	dec	a
	jr	nz, 2$
	ret

; void column_write(u8 *background, const u8 *tile_column): two neighbouring columns of the tile map mirror go to the
; background map, 18 rows, wrapping from its last row to its first. Must run in VBlank.
_column_write::
	ld	h, d
	ld	l, e
	ld	d, #18
1$:	ld	a, (bc)
	ld	(hl+), a
	inc	bc
	ld	a, (bc)
	ld	(hl-), a
	ld	a, c
	add	a, #19
	ld	c, a
	jr	nc, 2$
	inc	b
2$:	ld	a, l
	add	a, #32
	ld	l, a
	jr	nc, 3$
	inc	h
	res	2, h			; 0x9C00 wraps to 0x9800
3$:	dec	d
	jr	nz, 1$
	ret

; void map_fill(u8 cell): the whole cell buffer becomes this cell (the border that surrounds a map)
_map_fill::
	ld	hl, #0xc6e8
	ld	de, #325		; 1300 bytes, four at a time
	ld	b, a
1$:	ld	a, b
	ld	(hl+), a
	ld	(hl+), a
	ld	(hl+), a
	ld	(hl+), a
	dec	de
	ld	a, d
	or	a, e
	jr	nz, 1$
	ret
