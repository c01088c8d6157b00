// POST /v1/audio/transcriptions as LlamaEdge's whisper-api-server of June 2024 serves it, with that program's imports:
// one thread, non-blocking WasmEdge sockets under poll_oneoff, each upload written to archives/ID/NAME and read again,
// one execution context for all requests, an answer {"text": "..."}.  speech_server [PORT]
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FROM(module, name) __attribute__((import_module(module), import_name(#name)))
#define NN(name) FROM("wasi_ephemeral_nn", name)
#define WASI(name) FROM("wasi_snapshot_preview1", name)
struct tensor { const uint32_t *dims; uint32_t n; uint32_t type; const void *data; uint32_t bytes; };
struct address { const uint8_t *buffer; uint32_t length; };
struct piece { void *buffer; uint32_t length; };
struct subscription { uint64_t user; uint8_t tag; uint8_t pad[7]; uint32_t fd; uint32_t pad2; uint64_t timeout; uint8_t rest[16]; };
struct event { uint64_t user; uint16_t error; uint8_t type; uint8_t pad[5]; uint64_t bytes; uint16_t flags; uint8_t pad2[6]; };
struct fdstat { uint8_t type, pad; uint16_t flags; uint8_t pad2[4]; uint64_t base, inheriting; };
NN(load_by_name) int32_t nn_load_by_name(const char *name, uint32_t length, uint32_t *graph);
NN(init_execution_context) int32_t nn_init(uint32_t graph, uint32_t *context);
NN(set_input) int32_t nn_set_input(uint32_t context, uint32_t index, const struct tensor *tensor);
NN(compute) int32_t nn_compute(uint32_t context);
NN(get_output) int32_t nn_get_output(uint32_t context, uint32_t index, void *buffer, uint32_t size, uint32_t *written);
WASI(sock_open) int32_t sock_open(uint32_t family, uint32_t kind, uint32_t *fd);
WASI(sock_setsockopt) int32_t sock_setsockopt(uint32_t fd, uint32_t level, uint32_t name, const void *value, uint32_t size);
WASI(sock_bind) int32_t sock_bind(uint32_t fd, const struct address *address, uint32_t port);
WASI(sock_listen) int32_t sock_listen(uint32_t fd, uint32_t backlog);
WASI(sock_accept) int32_t sock_accept(uint32_t fd, uint32_t *out);
WASI(sock_recv) int32_t sock_recv(uint32_t fd, struct piece *iovs, uint32_t n, uint32_t flags, uint32_t *got, uint16_t *oflags);
WASI(sock_send) int32_t sock_send(uint32_t fd, struct piece *iovs, uint32_t n, uint32_t flags, uint32_t *sent);
WASI(sock_shutdown) int32_t sock_shutdown(uint32_t fd, uint32_t how);
WASI(sock_getlocaladdr) int32_t sock_getlocaladdr(uint32_t fd, struct address *address, uint32_t *type, uint32_t *port);
WASI(sock_getpeeraddr) int32_t sock_getpeeraddr(uint32_t fd, struct address *address, uint32_t *type, uint32_t *port);
WASI(poll_oneoff) int32_t poll_(const struct subscription *in, struct event *out, uint32_t n, uint32_t *got);
WASI(fd_fdstat_get) int32_t fdstat_get(uint32_t fd, struct fdstat *out);
WASI(fd_fdstat_set_flags) int32_t fdstat_set_flags(uint32_t fd, uint32_t flags);
WASI(fd_close) int32_t fd_close_(uint32_t fd);

enum { MOST = 32, AGAIN = 6, NONBLOCK = 4, RATE = 16000 };
struct client { uint32_t fd, have, room, sent, answer_size; char *data, *answer; };
static struct client clients[MOST];
static uint32_t context;
static char text[245888];  // as large as that server's

static int quit(const char *what, int32_t code) { fprintf(stderr, "server: %s: %d\n", what, code); exit(1); }

static void answer(struct client *c, const char *status, const char *body) {
  c->answer = malloc(strlen(body) + 256);
  c->answer_size = (uint32_t)sprintf(c->answer,
    "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", status, strlen(body), body);
}

static const char *find(const char *data, uint32_t size, const char *what) {
  uint32_t length = (uint32_t)strlen(what);
  for (uint32_t i = 0; i + length <= size; i++) if (!memcmp(data + i, what, length)) return data + i;
  return 0;
}

// The upload's file, written and read again -> float samples in [-1, 1], their count; 0 for none.
static float *samples_of(const char *name, const char *data, uint32_t size, uint32_t *count) {
  char folder[64], path[256];
  unsigned char random[8];
  struct stat found;
  getentropy(random, sizeof random);
  if (stat("archives", &found)) mkdir("archives", 0755);
  snprintf(folder, sizeof folder, "archives/file_%02x%02x%02x%02x%02x%02x%02x%02x", random[0], random[1], random[2], random[3],
    random[4], random[5], random[6], random[7]);
  mkdir(folder, 0755);
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(data, 1, size, file) != size) return 0;
  fclose(file);
  if (stat(path, &found) || found.st_size != size) return 0;
  file = fopen(path, "rb");
  unsigned char head[44];
  if (!file || fread(head, 1, 44, file) != 44 || memcmp(head, "RIFF", 4) || head[22] != 1 || head[34] != 16 ||
      (head[24] | head[25] << 8) != RATE) { if (file) fclose(file); return 0; }
  *count = (size - 44) / 2;
  float *samples = malloc(*count * 4 + 4);
  for (uint32_t i = 0; i < *count; i++) {
    int16_t value;
    if (fread(&value, 2, 1, file) != 1) { *count = i; break; }
    samples[i] = (float)value / 32767;
  }
  fclose(file);
  return samples;
}

static void transcribe(struct client *c, const char *type, const char *body, uint32_t size) {
  char name[64] = {0}, boundary[128] = "--";
  const char *mark = find(type, (uint32_t)(body - type), "boundary="), *head = find(body, size, "filename=\"");
  const char *data = find(body, size, "\r\n\r\n");
  if (!mark || !head || !data) { answer(c, "400 Bad Request", "{}"); return; }
  sscanf(mark + 9, "%100[^\r\n]", boundary + 2);
  sscanf(head + 10, "%60[^\"/]", name);
  data += 4;
  const char *end = find(data, size - (uint32_t)(data - body), boundary);
  if (!end) { answer(c, "400 Bad Request", "{}"); return; }
  uint32_t count = 0, written = 0;
  float *samples = samples_of(name, data, (uint32_t)(end - data) - 2, &count);
  if (!samples) { answer(c, "500 Internal Server Error", "{}"); return; }
  uint32_t dims[2] = {1, count};
  struct tensor tensor = {dims, 2, 1, samples, count * 4};
  int32_t code = nn_set_input(context, 0, &tensor);
  if (!code) code = nn_compute(context);
  if (!code) code = nn_get_output(context, 0, text, sizeof text, &written);
  free(samples);
  char *json = malloc(2 * written + 32), *at = json;
  at += sprintf(at, "{\"text\":\"");
  for (uint32_t i = 0; i < written; i++) { if (text[i] == '"' || text[i] == '\\') *at++ = '\\'; *at++ = text[i]; }
  strcpy(at, "\"}");
  answer(c, code ? "500 Internal Server Error" : "200 OK", code ? "{}" : json);
  free(json);
}

// Reads what is there -> 0 to go on, 1 when there is an answer, -1 when the client is gone.
static int receive(struct client *c) {
  if (c->have + 65536 > c->room) c->data = realloc(c->data, c->room = 2 * c->room + 65536);
  struct piece piece = {c->data + c->have, c->room - c->have - 1};
  uint32_t got = 0;
  uint16_t flags;
  int32_t code = sock_recv(c->fd, &piece, 1, 0, &got, &flags);
  if (code == AGAIN) return 0;
  if (code || !got) return -1;
  c->have += got;
  c->data[c->have] = 0;
  const char *end = find(c->data, c->have, "\r\n\r\n");
  if (!end) return 0;
  const char *length = find(c->data, (uint32_t)(end - c->data), "Content-Length: ");
  uint32_t size = length ? (uint32_t)atoi(length + 16) : 0, start = (uint32_t)(end - c->data) + 4;
  if (c->have - start < size) return 0;
  if (!strncmp(c->data, "GET /echo", 9)) answer(c, "200 OK", "echo test");
  else if (!strncmp(c->data, "POST /v1/audio/transcriptions", 29)) transcribe(c, c->data, c->data + start, size);
  else answer(c, "404 Not Found", "{}");
  return 1;
}

static void drop(struct client *c) {
  sock_shutdown(c->fd, 3);
  fd_close_(c->fd);
  free(c->data);
  free(c->answer);
  memset(c, 0, sizeof *c);
}

static int give(struct client *c) {
  struct piece piece = {c->answer + c->sent, c->answer_size - c->sent};
  uint32_t sent = 0;
  int32_t code = sock_send(c->fd, &piece, 1, 0, &sent);
  if (code && code != AGAIN) return -1;
  c->sent += sent;
  return c->sent == c->answer_size;
}

static void take(uint32_t fd) {
  for (int i = 0; i < MOST; i++) {
    if (clients[i].fd) continue;
    uint8_t from[16];
    struct address address = {from, 4};
    struct fdstat stat;
    uint32_t type, port;
    if (sock_accept(fd, &clients[i].fd)) { clients[i].fd = 0; return; }
    if (fdstat_get(clients[i].fd, &stat) || stat.flags) quit("flags of a new client", stat.flags);
    fdstat_set_flags(clients[i].fd, stat.flags | NONBLOCK);
    if (sock_getpeeraddr(clients[i].fd, &address, &type, &port) || from[0] != 127) quit("peer", from[0]);
    return;
  }
}

int main(int argc, char **argv) {
  uint32_t graph, fd, one = 1, type = 0, bound = 0, port = argc > 1 ? (uint32_t)atoi(argv[1]) : 8080;
  uint8_t any[4] = {0, 0, 0, 0}, mine[16];
  struct address address = {any, 4}, local = {mine, 4};
  struct fdstat stat;
  int32_t code;
  if ((code = nn_load_by_name("default", 7, &graph)) || (code = nn_init(graph, &context))) quit("model", code);
  if ((code = sock_open(1, 2, &fd)) || (code = sock_setsockopt(fd, 0, 0, &one, 4))) quit("open", code);
  if ((code = sock_bind(fd, &address, port))) quit("bind", code);
  if ((code = sock_listen(fd, 1024))) quit("listen", code);
  if ((code = fdstat_get(fd, &stat)) || (code = fdstat_set_flags(fd, stat.flags | NONBLOCK))) quit("flags", code);
  if ((code = sock_getlocaladdr(fd, &local, &type, &bound)) || bound != port) quit("name", code);
  printf("%s on %u since %lld\n", getenv("NAME") ? getenv("NAME") : "server", bound, (long long)time(0));
  fflush(stdout);
  for (;;) {
    static struct subscription subs[MOST + 2];
    static struct event events[MOST + 2];
    uint32_t n = 0, ready = 0;
    memset(subs, 0, sizeof subs);
    subs[n].user = MOST + 1; subs[n].fd = 1; subs[n++].timeout = 3600000000000ull;  // a clock, as tokio keeps one
    subs[n].user = MOST; subs[n].tag = 1; subs[n++].fd = fd;
    for (int i = 0; i < MOST; i++)
      if (clients[i].fd) { subs[n].user = (uint64_t)i; subs[n].tag = clients[i].answer ? 2 : 1; subs[n++].fd = clients[i].fd; }
    if ((code = poll_(subs, events, n, &ready))) quit("poll", code);
    for (uint32_t e = 0; e < ready; e++) {
      struct client *c = &clients[events[e].user % MOST];
      if (events[e].user == MOST) take(fd);
      else if (events[e].user < MOST && c->fd && (c->answer ? give(c) : receive(c) < 0)) drop(c);
    }
    sched_yield();
  }
}
