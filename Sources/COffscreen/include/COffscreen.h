#pragma once

// MuJoCo's renderer needs an OpenGL context, its errors need a handler and its loader a file in memory: the three
// things that Swift cannot do by itself. Every failure comes back as a value with a message; nothing here exits, except
// MuJoCo's own fatal errors, after one line on standard error.

/// An OSMesa context that draws in memory, without a display.
typedef struct OffscreenContext OffscreenContext;

/// Creates a context and makes it current on this thread. Returns NULL and fills `message` on failure.
OffscreenContext *offscreen_create(char *message, int message_size);

/// Makes the context current on this thread again. Returns 0 on success.
int offscreen_activate(OffscreenContext *context);

void offscreen_destroy(OffscreenContext *context);

/// Sends MuJoCo's fatal errors to one line on standard error and its warnings to nowhere (they are counted in mjData);
/// without this it writes a log file into the working directory and waits for a key.
void offscreen_catch_errors(void);

/// Compiles the MJCF text of `length` bytes. Returns an `mjModel *`, or NULL with the reason in `message`.
void *offscreen_compile(const char *text, int length, char *message, int message_size);
