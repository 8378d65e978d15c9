/* `snug doctor`: what this machine has, what is missing and what that costs. */
#ifndef SNUG_DOCTOR_H
#define SNUG_DOCTOR_H

#include <stdio.h>

#include "compiler/floor/arena.h"

/* Prints a line a finding. Returns ok where everything that the host device needs is there. */
ExitStatus doctor(Arena *arena, FILE *out);

#endif
