/* What is set for the process before anything else runs. */
#ifndef SERVER_PROCESSOR_H
#define SERVER_PROCESSOR_H

/* OpenBLAS chooses its kernels by the processor's name when it is loaded, and takes AMD processors newer than
 * itself for old ones: on one with AVX-512 its SkylakeX kernels are nearly twice as fast. Where that is so,
 * and the environment does not say which to take, runs the program again with OPENBLAS_CORETYPE set. Returns
 * otherwise, and where it cannot. */
void processor_choose_kernels(char *const arguments[]);

/* Keeps the heap from holding on to memory of large requests that have ended. */
void processor_return_memory(void);

#endif
