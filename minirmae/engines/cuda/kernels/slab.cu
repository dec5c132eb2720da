// A few rows of a matrix in shared memory: what a chain of linear maps works on. Its rows never meet
// those of another block, so a whole chain needs no word between blocks.

#define SLAB_ROWS 16
#define SLAB_WIDTH 256
#define SLAB_THREADS 256
// Rows 4 words apart modulo 32 banks: the eight rows of a fragment hit every bank once.
#define SLAB_PITCH (SLAB_WIDTH + 4)

typedef float Slab[SLAB_ROWS][SLAB_PITCH];
