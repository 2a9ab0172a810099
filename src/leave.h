/* Ends this process and does nothing else. */
#include <stdlib.h>
#ifdef __linux__
#define leave quick_exit
#else
#include <unistd.h>
#define leave _exit
#endif
