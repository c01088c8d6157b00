// Asks a language model as WasmEdge's GGML guests do: llm.wasm DEED PROMPT [CONFIG]
// The graph "default" by name, or with CONFIG's JSON; every call's errno that is not 0 is printed, and the guest goes on.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NN(name) __attribute__((import_module("wasi_ephemeral_nn"), import_name(#name))) int32_t nn_##name
struct piece { const void *data; uint32_t size; };
NN(load)(const struct piece *builders, uint32_t count, uint32_t encoding, uint32_t target, uint32_t *graph);
NN(load_by_name)(const char *name, uint32_t length, uint32_t *graph);
NN(load_by_name_with_config)(const char *name, uint32_t length, const char *config, uint32_t config_length, uint32_t *graph);
NN(init_execution_context)(uint32_t graph, uint32_t *context);
NN(set_input)(uint32_t context, uint32_t index, const void *tensor);
NN(compute)(uint32_t context);
NN(get_output)(uint32_t context, uint32_t index, void *buffer, uint32_t size, uint32_t *written);
NN(compute_single)(uint32_t context);
NN(get_output_single)(uint32_t context, uint32_t index, void *buffer, uint32_t size, uint32_t *written);
NN(fini_single)(uint32_t context);
NN(unload)(uint32_t graph);
NN(finalize_execution_context)(uint32_t context);

enum { GGML = 6, AUTO = 3, U8 = 3 };
static char buffer[1 << 20];

static int32_t told(const char *what, int32_t code) {
  if (code) printf("<%s: %d>", what, code);
  return code;
}

static void input(uint32_t context, uint32_t index, const char *text) {
  uint32_t dims[1] = {(uint32_t)strlen(text)};
  struct { const uint32_t *dims; uint32_t n; uint32_t type; const void *data; uint32_t bytes; } tensor = {dims, 1, U8, text, dims[0]};
  told("set_input", nn_set_input(context, index, &tensor));
}

static void output(uint32_t context, uint32_t index) {
  uint32_t written = 0;
  if (told("get_output", nn_get_output(context, index, buffer, sizeof buffer - 1, &written))) return;
  printf("[%.*s]", (int)written, buffer);
}

static void whole(uint32_t context) {
  if (!told("compute", nn_compute(context))) { output(context, 0); output(context, 1); }
}

static void pieces(uint32_t context, int most) {
  int32_t code = 0;
  for (int made = 0; made < most && !(code = nn_compute_single(context)); made++) {
    uint32_t written = 0;
    told("get_output_single", nn_get_output_single(context, 0, buffer, sizeof buffer - 1, &written));
    printf("|%.*s", (int)written, buffer);
  }
  told("compute_single", code);
  output(context, 1);
  told("fini_single", nn_fini_single(context));
}

int main(int argc, char **argv) {
  const char *deed = argv[1], *prompt = argv[2], *config = argc > 3 ? argv[3] : 0, *name = "default";
  uint32_t graph = 0, context = 0;
  if (!strcmp(deed, "load")) {
    struct piece builders[2] = {{prompt, (uint32_t)strlen(prompt)}, {config, config ? (uint32_t)strlen(config) : 0}};
    told("load", nn_load(builders, config ? 2 : 1, GGML, AUTO, &graph));
    return 0;
  }
  if (!strcmp(deed, "unknown")) return told("load_by_name", nn_load_by_name("nobody", 6, &graph)) ? 0 : 1;
  if (config) told("load_by_name_with_config", nn_load_by_name_with_config(name, 7, config, (uint32_t)strlen(config), &graph));
  else told("load_by_name", nn_load_by_name(name, 7, &graph));
  if (told("init_execution_context", nn_init_execution_context(graph, &context))) return 0;
  if (!strcmp(deed, "before")) {  // what is there before anything is computed
    uint32_t written = 0;
    output(context, 1);
    input(context, 0, prompt);
    output(context, 0);
    output(context, 1);
    output(context, 1);
    input(context, 0, argv[4]);
    told("get_output_single", nn_get_output_single(context, 1, buffer, sizeof buffer - 1, &written));
    printf("[%.*s]", (int)written, buffer);
    told("small", nn_get_output(context, 1, buffer, 5, &written));
    printf("(%s)", written > 5 ? "needs more" : "fits");
    output(context, 2);
    told("get_output_single 2", nn_get_output_single(context, 2, buffer, sizeof buffer - 1, &written));
    told("get_output_single 0", nn_get_output_single(context, 0, buffer, sizeof buffer - 1, &written));
    told("compute_single", nn_compute_single(context));
    output(context, 1);
    input(context, 0, prompt);
    output(context, 1);
    input(context, 0, "\xff");
    output(context, 1);
  }
  input(context, 0, prompt);
  if (!strcmp(deed, "whole")) whole(context);
  if (!strcmp(deed, "pieces")) pieces(context, 1 << 20);
  if (!strcmp(deed, "again")) {  // an answer that is left off, another prompt, other metadata from the next compute on
    pieces(context, 2);
    told("get_output_single", nn_get_output_single(context, 0, buffer, 1, &(uint32_t){0}));
    input(context, 1, "{\"n_predict\": 3, \"temp\": 0.0}");
    whole(context);
    whole(context);
    input(context, 0, argc > 4 ? argv[4] : prompt);
    pieces(context, 1 << 20);
  }
  if (!strcmp(deed, "unload")) {  // the handle is gone, the context keeps its model
    told("unload", nn_unload(graph));
    whole(context);
    told("unload", nn_unload(graph));
    told("init_execution_context", nn_init_execution_context(graph, &context));
  }
  told("finalize_execution_context", nn_finalize_execution_context(context));
  told("compute", nn_compute(context));
  return 0;
}
