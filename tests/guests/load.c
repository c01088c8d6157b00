// Passes a model's bytes to the host and has it transcribe a file: load.wasm MODEL AUDIO ENCODING [TIMES] [CONFIG]
// MODEL is a file, or preload:PATH. With TIMES it loads and unloads as often, then transcribes once more.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NN(name) __attribute__((import_module("wasi_ephemeral_nn"), import_name(#name)))
struct piece { const void *data; uint32_t size; };
NN(load) int32_t nn_load(const struct piece *builders, uint32_t count, uint32_t encoding, uint32_t target, uint32_t *graph);
NN(init_execution_context) int32_t nn_init(uint32_t graph, uint32_t *context);
NN(set_input) int32_t nn_set_input(uint32_t context, uint32_t index, const void *tensor);
NN(compute) int32_t nn_compute(uint32_t context);
NN(get_output) int32_t nn_get_output(uint32_t context, uint32_t index, void *buffer, uint32_t size, uint32_t *written);
NN(finalize_execution_context) int32_t nn_finalize(uint32_t context);
NN(unload) int32_t nn_unload(uint32_t graph);

static struct piece whole(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) { fprintf(stderr, "load: no file %s\n", path); exit(2); }
  fseek(file, 0, SEEK_END);
  uint32_t size = (uint32_t)ftell(file);
  char *data = malloc(size);
  rewind(file);
  if (!data || fread(data, 1, size, file) != size) exit(2);
  fclose(file);
  return (struct piece){data, size};
}

static void check(const char *what, int32_t code) {
  if (code) { printf("%s: %d\n", what, code); exit(64 + code); }
}

int main(int argc, char **argv) {
  uint32_t encoding = (uint32_t)atoi(argv[3]), graph, context, written = 0;
  int times = argc > 4 ? atoi(argv[4]) : 0;
  int named = !strncmp(argv[1], "preload:", 8);
  struct piece builders[2] = {named ? (struct piece){argv[1], (uint32_t)strlen(argv[1])} : whole(argv[1])};
  if (argc > 5) builders[1] = (struct piece){argv[5], (uint32_t)strlen(argv[5])};
  struct piece audio = whole(argv[2]);
  for (int i = 0; i <= times; i++) {
    check("load", nn_load(builders, argc > 5 ? 2 : 1, encoding, 0, &graph));
    check("init", nn_init(graph, &context));
    if (i < times) { check("end", nn_finalize(context)); check("unload", nn_unload(graph)); }
  }
  uint32_t dims[2] = {1, audio.size};
  struct { const uint32_t *dims; uint32_t n; uint32_t type; const void *data; uint32_t bytes; } tensor = {dims, 2, 3, audio.data, audio.size};
  static char text[1 << 14];
  check("input", nn_set_input(context, 0, &tensor));
  check("compute", nn_compute(context));
  check("output", nn_get_output(context, 0, text, sizeof text - 1, &written));
  fputs(text, stdout);
  return 0;
}
