/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/test/listing.h"

#include "host/display/test/text.h"

#include <string.h>

static const char *const LINES[] = {
    "/* Ferries across the sound: when each one leaves, and who is aboard. */",
    "#include \"ferry.h\"",
    "",
    "#include <math.h>",
    "#include <stdio.h>",
    "",
    "#define CREW_MINIMUM 4",
    "#define KNOTS_TO_METRES 0.514444",
    "",
    "typedef struct {",
    "  const char *name;      /* as painted on the bow */",
    "  unsigned seats;        /* passengers, without crew */",
    "  double speed;          /* knots, in calm water */",
    "  struct harbour *berth; /* NULL while at sea */",
    "} Ferry;",
    "",
    "static const Ferry FLEET[] = {",
    "    {\"Kittiwake\", 240, 14.5, NULL}, {\"Sandpiper\", 180, 17.0, NULL},",
    "    {\"Guillemot\", 320, 12.0, NULL}, {\"Oystercatcher\", 96, 22.5, NULL},",
    "};",
    "",
    "/* Minutes from berth to berth; the current helps one way and hinders the other. */",
    "double crossing_minutes(const Ferry *ferry, double metres, double current) {",
    "  double speed = (ferry->speed + current) * KNOTS_TO_METRES;",
    "  if (speed <= 0.1) return INFINITY;",
    "  return metres / speed / 60.0;",
    "}",
    "",
    "static int by_departure(const void *left, const void *right) {",
    "  const Sailing *a = left, *b = right;",
    "  if (a->minute != b->minute) return a->minute < b->minute ? -1 : 1;",
    "  return strcmp(a->ferry->name, b->ferry->name);",
    "}",
    "",
    "bool timetable_add(Timetable *table, const Ferry *ferry, unsigned minute) {",
    "  if (table->count == table->room) {",
    "    size_t room = table->room ? 2 * table->room : 16;",
    "    Sailing *more = realloc(table->sailings, room * sizeof *more);",
    "    if (!more) return false;",
    "    table->sailings = more;",
    "    table->room = room;",
    "  }",
    "  table->sailings[table->count++] = (Sailing){ferry, minute % 1440, 0};",
    "  qsort(table->sailings, table->count, sizeof(Sailing), by_departure);",
    "  return true;",
    "}",
    "",
    "/* The first sailing after `minute` with room for a party; tomorrow's first if none is left. */",
    "Sailing *timetable_next(Timetable *table, unsigned minute, unsigned party) {",
    "  for (size_t i = 0; i < table->count; i++) {",
    "    Sailing *sailing = &table->sailings[i];",
    "    unsigned free_seats = sailing->ferry->seats - sailing->booked;",
    "    if (sailing->minute >= minute && free_seats >= party) return sailing;",
    "  }",
    "  return table->count > 0 ? &table->sailings[0] : NULL;",
    "}",
    "",
    "void timetable_print(const Timetable *table, FILE *out) {",
    "  fprintf(out, \"%-16s %5s %9s\\n\", \"ferry\", \"time\", \"free\");",
    "  for (size_t i = 0; i < table->count; i++) {",
    "    const Sailing *sailing = &table->sailings[i];",
    "    unsigned hour = sailing->minute / 60, minute = sailing->minute % 60;",
    "    fprintf(out, \"%-16s %02u:%02u %9u\\n\", sailing->ferry->name, hour, minute,",
    "            sailing->ferry->seats - sailing->booked);",
    "  }",
    "}",
    "",
    "int main(int argc, char **argv) {",
    "  Timetable table = {0};",
    "  for (unsigned minute = 330; minute < 1410; minute += 45) {",
    "    const Ferry *ferry = &FLEET[minute / 45 % 4];",
    "    if (!timetable_add(&table, ferry, minute)) return 1;",
    "  }",
    "  timetable_print(&table, stdout);",
    "  free(table.sailings);",
    "  return 0;",
    "}",
    "",
};

static const char *const KEYWORDS[] = {
    "typedef", "struct", "const", "static", "unsigned", "double", "int",    "char", "void",
    "bool",    "return", "if",    "for",    "while",    "sizeof", "size_t", "true", "false",
};

typedef enum { PLAIN, KEYWORD, CALL, NUMBER, STRING, COMMENT, TYPE, DIRECTIVE } Kind;

static const guint32 COLOURS[] = {
    [PLAIN] = 0xd5d9e0,  [KEYWORD] = 0xc792ea, [CALL] = 0x82aaff, [NUMBER] = 0xf78c6c,
    [STRING] = 0xa8d58c, [COMMENT] = 0x75808f, [TYPE] = 0xffcb6b, [DIRECTIVE] = 0x7fd4e0,
};

static gboolean is_word(char c) {
  return g_ascii_isalnum(c) || c == '_';
}

static gboolean is_keyword(const char *word, gsize length) {
  for (gsize i = 0; i < G_N_ELEMENTS(KEYWORDS); i++) {
    if (strlen(KEYWORDS[i]) == length && memcmp(KEYWORDS[i], word, length) == 0) return TRUE;
  }
  return FALSE;
}

static gsize string_length(const char *at) {
  gsize length = 1;
  while (at[length] && at[length] != '"') length += at[length] == '\\' && at[length + 1] ? 2 : 1;
  return at[length] ? length + 1 : length;
}

static Kind word_kind(const char *at, gsize length) {
  if (g_ascii_isdigit(*at)) return NUMBER;
  if (is_keyword(at, length)) return KEYWORD;
  if (at[length] == '(') return CALL;
  if (g_ascii_isupper(at[0]) && length > 1) return g_ascii_isupper(at[1]) ? NUMBER : TYPE;
  return PLAIN;
}

/* The next piece of one colour: its length in bytes. */
static gsize next_piece(const char *at, gboolean line_start, Kind *kind) {
  gsize length = 1;
  if (line_start && *at == '#') {
    *kind = DIRECTIVE;
    return strcspn(at, " ") ? strcspn(at, " ") : 1;
  }
  if (g_str_has_prefix(at, "/*")) {
    *kind = COMMENT;
    const char *end = strstr(at, "*/");
    return end ? (gsize)(end - at) + 2 : strlen(at);
  }
  if (*at == '"') {
    *kind = STRING;
    return string_length(at);
  }
  if (!is_word(*at)) {
    *kind = PLAIN;
    while (at[length] && !is_word(at[length]) && at[length] != '"' && !g_str_has_prefix(at + length, "/*")) length++;
    return length;
  }
  while (is_word(at[length])) length++;
  *kind = word_kind(at, length);
  return length;
}

guint listing_lines(void) {
  return G_N_ELEMENTS(LINES);
}

void listing_draw(cairo_t *cairo, double x, double y, guint cell_width, guint cell_height, guint line) {
  TextStyle style = {TEXT_MONO, text_mono_size(cell_width), 0x565f6d};
  y += (gint)((cell_height - style.size * 1.17) / 2);
  g_autofree char *number = g_strdup_printf("%4u", line + 1);
  text_draw(cairo, x, y, style, number);
  x += 6.0 * cell_width;
  const char *text = LINES[line % G_N_ELEMENTS(LINES)];
  for (const char *at = text; *at;) {
    Kind kind;
    gsize length = next_piece(at, at == text, &kind);
    g_autofree char *piece = g_strndup(at, length);
    style.rgb = COLOURS[kind];
    text_draw(cairo, x + (double)(at - text) * cell_width, y, style, piece);
    at += length;
  }
}
