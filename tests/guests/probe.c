// Does what its first argument says, to show what a container gives to a guest.
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WASI(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name)))
struct address { const uint8_t *buffer; uint32_t length; };
struct piece { void *buffer; uint32_t length; };
WASI(sock_open) int32_t sock_open(uint32_t family, uint32_t kind, uint32_t *fd);
WASI(sock_bind) int32_t sock_bind(uint32_t fd, const struct address *address, uint32_t port);
WASI(sock_listen) int32_t sock_listen(uint32_t fd, uint32_t backlog);
WASI(sock_accept) int32_t sock_accept(uint32_t fd, uint32_t *out);
WASI(sock_recv) int32_t sock_recv(uint32_t fd, struct piece *pieces, uint32_t n, uint32_t flags, uint32_t *got, uint16_t *oflags);
WASI(sock_send) int32_t sock_send(uint32_t fd, struct piece *pieces, uint32_t n, uint32_t flags, uint32_t *sent);
WASI(fd_close) int32_t wasi_close(uint32_t fd);

extern char **environ;

static int list(const char *path) {
  DIR *folder = opendir(path);
  if (!folder) return perror(path), 1;
  for (struct dirent *entry; (entry = readdir(folder));)
    if (entry->d_name[0] != '.' || strlen(entry->d_name) > 2) puts(entry->d_name);
  return 0;
}

static int copy(const char *path, const char *mode, FILE *other) {
  FILE *file = fopen(path, mode);
  if (!file) return perror(path), 1;
  FILE *from = *mode == 'r' ? file : other, *to = *mode == 'r' ? other : file;
  for (int c; (c = getc(from)) != EOF;) putc(c, to);
  return fclose(file) != 0;
}

static int serve(uint32_t port) {
  uint8_t any[4] = {0};
  struct address address = {any, 4};
  uint32_t fd, client, count;
  uint16_t flags;
  static char buffer[4096], answer[] = "HTTP/1.0 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nprobe\n";
  if (sock_open(1, 2, &fd) || sock_bind(fd, &address, port) || sock_listen(fd, 8)) return 3;
  printf("serving\n");
  fflush(stdout);
  while (!sock_accept(fd, &client)) {
    struct piece in = {buffer, sizeof buffer}, out = {answer, sizeof answer - 1};
    sock_recv(client, &in, 1, 0, &count, &flags);
    sock_send(client, &out, 1, 0, &count);
    wasi_close(client);
  }
  return 4;
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "show", *value = argc > 2 ? argv[2] : "";
  if (!strcmp(what, "exit")) return atoi(value);
  if (!strcmp(what, "list")) return list(value);
  if (!strcmp(what, "read")) return copy(value, "r", stdout);
  if (!strcmp(what, "write")) return copy(value, "w", stdin);
  if (!strcmp(what, "serve")) return serve((uint32_t)atoi(value));
  if (!strcmp(what, "trap")) __builtin_trap();
  if (!strcmp(what, "fill")) {  // memory, until somebody says no
    for (long total = 0;; total += 1 << 20) {
      volatile char *block = malloc(1 << 20);
      if (!block) return printf("no more than %ld\n", total), 0;
      for (int i = 0; i < 1 << 20; i += 1024) block[i] = 1;
    }
  }
  if (!strcmp(what, "wait")) {
    printf("waiting\n");
    fflush(stdout);
    for (;;) usleep(50000);
  }
  for (int i = 0; i < argc; i++) printf("argument %s\n", argv[i]);
  for (char **entry = environ; *entry; entry++) printf("variable %s\n", *entry);
  return 0;
}
