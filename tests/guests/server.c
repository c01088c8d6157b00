// An HTTP server over WasmEdge's sockets with one graph: posts 32-bit float samples, gets text.
// "blocking" serves one connection after another; "polling" serves many, non-blocking, through poll_oneoff.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FROM(module, name) __attribute__((import_module(module), import_name(#name)))
#define NN(name) FROM("wasi_ephemeral_nn", name)
#define WASI(name) FROM("wasi_snapshot_preview1", name)
NN(load_by_name) int32_t nn_load_by_name(const char *name, uint32_t length, uint32_t *graph);
NN(init_execution_context) int32_t nn_init(uint32_t graph, uint32_t *context);
NN(set_input) int32_t nn_set_input(uint32_t context, uint32_t index, const void *tensor);
NN(compute) int32_t nn_compute(uint32_t context);
NN(get_output) int32_t nn_get_output(uint32_t context, uint32_t index, void *buffer, uint32_t size, uint32_t *written);
struct address { const uint8_t *buffer; uint32_t length; };
struct iovec_ { void *buffer; uint32_t length; };
struct subscription { uint64_t user; uint8_t tag; uint8_t pad[7]; uint32_t fd; uint8_t rest[28]; };
struct event { uint64_t user; uint16_t error; uint8_t type; uint8_t pad[5]; uint64_t bytes; uint16_t flags; uint8_t pad2[6]; };
struct fdstat { uint8_t type, pad; uint16_t flags; uint8_t pad2[4]; uint64_t base, inheriting; };
WASI(sock_open) int32_t sock_open(uint32_t family, uint32_t kind, uint32_t *fd);
WASI(sock_setsockopt) int32_t sock_setsockopt(uint32_t fd, uint32_t level, uint32_t name, const void *value, uint32_t size);
WASI(sock_bind) int32_t sock_bind(uint32_t fd, const struct address *address, uint32_t port);
WASI(sock_listen) int32_t sock_listen(uint32_t fd, uint32_t backlog);
WASI(sock_accept) int32_t sock_accept(uint32_t fd, uint32_t *out);
WASI(sock_recv) int32_t sock_recv(uint32_t fd, struct iovec_ *iovs, uint32_t n, uint32_t flags, uint32_t *got, uint16_t *oflags);
WASI(sock_send) int32_t sock_send(uint32_t fd, struct iovec_ *iovs, uint32_t n, uint32_t flags, uint32_t *sent);
WASI(sock_shutdown) int32_t sock_shutdown(uint32_t fd, uint32_t how);
WASI(sock_getlocaladdr) int32_t sock_getlocaladdr(uint32_t fd, struct address *address, uint32_t *type, uint32_t *port);
WASI(poll_oneoff) int32_t poll_(const struct subscription *in, struct event *out, uint32_t n, uint32_t *got);
WASI(fd_fdstat_get) int32_t fdstat_get(uint32_t fd, struct fdstat *out);
WASI(fd_fdstat_set_flags) int32_t fdstat_set_flags(uint32_t fd, uint32_t flags);
WASI(fd_close) int32_t fd_close_(uint32_t fd);

enum { MOST = 64, ROOM = 1 << 21 };
struct client { uint32_t fd, have; char *data; };
static struct client clients[MOST];
static uint32_t context;
static char text[1 << 16];

static int quit(const char *what, int32_t code) { fprintf(stderr, "server: %s: %d\n", what, code); exit(1); }

static void send_all(uint32_t fd, const char *data, uint32_t size) {
  while (size) {
    struct iovec_ piece = {(void *)data, size};
    uint32_t sent = 0;
    int32_t code = sock_send(fd, &piece, 1, 0, &sent);
    if (code == 6) continue;
    if (code) return;
    data += sent; size -= sent;
  }
}

// 1: the request is whole and was answered; 0: more is to come; -1: the client left.
static int serve(struct client *c) {
  struct iovec_ piece = {c->data + c->have, ROOM - c->have};
  uint32_t got = 0;
  uint16_t flags = 0;
  int32_t code = sock_recv(c->fd, &piece, 1, 0, &got, &flags);
  if (code == 6) return 0;
  if (code || !got) return -1;
  c->have += got;
  c->data[c->have < ROOM ? c->have : ROOM - 1] = c->have < ROOM ? 0 : c->data[ROOM - 1];
  char *end = strstr(c->data, "\r\n\r\n"), *length = strstr(c->data, "Content-Length: ");
  if (!end) return 0;
  uint32_t size = length && length < end ? (uint32_t)atoi(length + 16) : 0, start = (uint32_t)(end - c->data) + 4;
  if (c->have - start < size) return 0;
  float *samples = malloc(size ? size : 4);
  memcpy(samples, c->data + start, size);
  uint32_t dims[2] = {1, size / 4}, written = 0;
  struct { const uint32_t *dims; uint32_t n; uint32_t type; const void *data; uint32_t bytes; } tensor = {dims, 2, 1, samples, size};
  code = nn_set_input(context, 0, &tensor);
  if (!code) code = nn_compute(context);
  if (!code) code = nn_get_output(context, 0, text, sizeof text, &written);
  free(samples);
  char head[128];
  int n = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Length: %u\r\nConnection: close\r\n\r\n", code ? "500 no" : "200 ok", code ? 0 : written);
  send_all(c->fd, head, (uint32_t)n);
  if (!code) send_all(c->fd, text, written);
  sock_shutdown(c->fd, 2);
  return 1;
}

static void drop(struct client *c) { fd_close_(c->fd); c->fd = 0; c->have = 0; }

int main(int argc, char **argv) {
  int polling = argc > 2 && !strcmp(argv[2], "polling");
  uint32_t graph, fd, port = argc > 1 ? (uint32_t)atoi(argv[1]) : 8080, one = 1, type = 0, bound = 0;
  uint8_t any[4] = {127, 0, 0, 1}, mine[16];
  struct address address = {any, 4}, local = {mine, 4};
  int32_t code;
  if ((code = nn_load_by_name("default", 7, &graph)) || (code = nn_init(graph, &context))) quit("model", code);
  if ((code = sock_open(1, 2, &fd))) quit("open", code);
  sock_setsockopt(fd, 0, 0, &one, 4);
  if ((code = sock_bind(fd, &address, port))) quit("bind", code);
  if ((code = sock_listen(fd, 64))) quit("listen", code);
  if ((code = sock_getlocaladdr(fd, &local, &type, &bound)) || type != 4) quit("name", code);
  struct fdstat stat;
  if (fdstat_get(fd, &stat) || stat.type != 6 || stat.flags) quit("flags of a fresh socket", stat.flags);
  for (int i = 0; i < MOST; i++) clients[i].data = malloc(ROOM);
  printf("ready %u\n", bound);
  fflush(stdout);
  if (!polling)
    for (;;) {
      struct client *c = &clients[0];
      if ((code = sock_accept(fd, &c->fd))) quit("accept", code);
      while (!serve(c)) {}
      drop(c);
    }
  fdstat_set_flags(fd, 4);
  if (fdstat_get(fd, &stat) || stat.flags != 4) quit("flags after NONBLOCK", stat.flags);
  for (;;) {
    struct subscription subs[MOST + 2];
    struct event events[MOST + 2];
    uint32_t n = 0, ready = 0;
    memset(subs, 0, sizeof subs);
    subs[n].user = MOST; subs[n].tag = 1; subs[n++].fd = fd;
    for (int i = 0; i < MOST; i++)
      if (clients[i].fd) { subs[n].user = (uint64_t)i; subs[n].tag = 1; subs[n++].fd = clients[i].fd; }
    if ((code = poll_(subs, events, n, &ready))) quit("poll", code);
    for (uint32_t e = 0; e < ready; e++) {
      if (events[e].user == MOST) {
        for (int i = 0; i < MOST; i++)
          if (!clients[i].fd) {
            if (!sock_accept(fd, &clients[i].fd)) fdstat_set_flags(clients[i].fd, 4);
            else clients[i].fd = 0;
            break;
          }
      } else if (clients[events[e].user].fd && serve(&clients[events[e].user])) drop(&clients[events[e].user]);
    }
  }
}
