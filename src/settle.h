/* Arranges the memory of a process that will be forked, see settle.c. */

/* To be called right before the forks: what is allocated after it undoes it. */
void settle_memory(void);

/* To be called in each fork, as its first step. */
void settle_in(void);
