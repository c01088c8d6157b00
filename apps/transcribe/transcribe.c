// Transcribes a 16 kHz mono 16-bit WAV file with the graph named "default" (or the second argument).
// It sees only its preopened folders, and speaks to the model through wasi-nn.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NN(name) __attribute__((import_module("wasi_ephemeral_nn"), import_name(#name)))
NN(load_by_name) int32_t nn_load_by_name(const char *name, uint32_t length, uint32_t *graph);
NN(init_execution_context) int32_t nn_init_execution_context(uint32_t graph, uint32_t *context);
NN(set_input) int32_t nn_set_input(uint32_t context, uint32_t index, const void *tensor);
NN(compute) int32_t nn_compute(uint32_t context);
NN(get_output) int32_t nn_get_output(uint32_t context, uint32_t index, void *buffer, uint32_t size, uint32_t *written);

struct tensor {
  const uint32_t *dims;
  uint32_t dims_length;
  uint8_t type;  // 1: F32
  uint8_t padding[3];
  const void *data;
  uint32_t bytes;
};

static int fail(const char *what, int32_t code) {
  fprintf(stderr, "transcribe: %s: wasi-nn error %d\n", what, code);
  return 1;
}

// The samples of a WAV file as floats in [-1, 1]; NULL with a message where it is another kind of file.
static float *read_wav(const char *path, uint32_t *count) {
  FILE *file = fopen(path, "rb");
  if (!file) {
    fprintf(stderr, "transcribe: %s: cannot be opened\n", path);
    return NULL;
  }
  uint8_t head[12], chunk[8], format[16] = {0};
  if (fread(head, 1, 12, file) != 12 || memcmp(head, "RIFF", 4) || memcmp(head + 8, "WAVE", 4)) goto wrong;
  while (fread(chunk, 1, 8, file) == 8) {
    uint32_t size;
    memcpy(&size, chunk + 4, 4);
    if (!memcmp(chunk, "fmt ", 4) && size >= 16) {
      if (fread(format, 1, 16, file) != 16) goto wrong;
      fseek(file, (long)(size - 16 + (size & 1)), SEEK_CUR);
    } else if (!memcmp(chunk, "data", 4)) {
      uint16_t kind, channels, bits;
      uint32_t rate;
      memcpy(&kind, format, 2);
      memcpy(&channels, format + 2, 2);
      memcpy(&rate, format + 4, 4);
      memcpy(&bits, format + 14, 2);
      if (kind != 1 || channels != 1 || rate != 16000 || bits != 16) goto wrong;
      int16_t *samples = malloc(size);
      float *floats = malloc((size_t)size * 2);
      if (!samples || !floats) goto wrong;
      uint32_t read = (uint32_t)fread(samples, 2, size / 2, file);
      for (uint32_t i = 0; i < read; i++) floats[i] = (float)samples[i] / 32768.0f;
      free(samples);
      fclose(file);
      *count = read;
      return floats;
    } else {
      fseek(file, (long)(size + (size & 1)), SEEK_CUR);
    }
  }
wrong:
  fprintf(stderr, "transcribe: %s: expected a 16 kHz mono 16-bit WAV file\n", path);
  fclose(file);
  return NULL;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: transcribe FILE.wav [GRAPH]\n");
    return 2;
  }
  const char *name = argc > 2 ? argv[2] : "default";
  uint32_t samples = 0, graph = 0, context = 0, written = 0, size = 1 << 16;
  float *audio = read_wav(argv[1], &samples);
  if (!audio) return 2;
  int32_t code = nn_load_by_name(name, (uint32_t)strlen(name), &graph);
  if (code) return fail("load_by_name", code);
  if ((code = nn_init_execution_context(graph, &context))) return fail("init_execution_context", code);
  uint32_t dims[2] = {1, samples};
  struct tensor tensor = {dims, 2, 1, {0}, audio, samples * 4};
  if ((code = nn_set_input(context, 0, &tensor))) return fail("set_input", code);
  if ((code = nn_compute(context))) return fail("compute", code);
  char *text = malloc(size);
  code = nn_get_output(context, 0, text, size, &written);
  if (code == 7) {  // too small: the host said how much it needs
    size = written;
    text = realloc(text, size);
    code = nn_get_output(context, 0, text, size, &written);
  }
  if (code) return fail("get_output", code);
  fwrite(text, 1, written, stdout);
  putchar('\n');
  return 0;
}
