// Does one bad thing, named by its first argument, and reports the errno it got as the exit code 64 + errno.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FROM(module, name) __attribute__((import_module(module), import_name(#name)))
#define NN(name) FROM("wasi_ephemeral_nn", name)
#define WASI(name) FROM("wasi_snapshot_preview1", name)
NN(load_by_name) int32_t nn_load_by_name(uint32_t name, uint32_t length, uint32_t graph);
NN(init_execution_context) int32_t nn_init(uint32_t graph, uint32_t context);
NN(set_input) int32_t nn_set_input(uint32_t context, uint32_t index, uint32_t tensor);
NN(compute) int32_t nn_compute(uint32_t context);
NN(get_output) int32_t nn_get_output(uint32_t context, uint32_t index, uint32_t buffer, uint32_t size, uint32_t written);
NN(unload) int32_t nn_unload(uint32_t graph);
NN(finalize_execution_context) int32_t nn_finalize(uint32_t context);
NN(load) int32_t nn_load(uint32_t builders, uint32_t count, uint32_t encoding, uint32_t target, uint32_t graph);
WASI(sock_open) int32_t sock_open(uint32_t family, uint32_t kind, uint32_t fd);
WASI(sock_bind) int32_t sock_bind(uint32_t fd, uint32_t address, uint32_t port);
WASI(sock_listen) int32_t sock_listen(uint32_t fd, uint32_t backlog);
WASI(sock_accept) int32_t sock_accept(uint32_t fd, uint32_t out);
WASI(sock_recv) int32_t sock_recv(uint32_t fd, uint32_t iovs, uint32_t n, uint32_t flags, uint32_t got, uint32_t out);
WASI(poll_oneoff) int32_t poll_oneoff_(uint32_t in, uint32_t out, uint32_t n, uint32_t got);
WASI(fd_write) int32_t fd_write_(uint32_t fd, uint32_t iovs, uint32_t n, uint32_t got);
FROM("wasi:logging/logging", log) void host_log(uint32_t level, uint32_t c, uint32_t cl, uint32_t m, uint32_t ml);

#define P(x) ((uint32_t)(uintptr_t)(x))
#define IS(text) (!strcmp(what, text))
static uint32_t graph, context, out;
static volatile int sink;
static void *volatile block;

static int recurse(int n) { volatile char pad[64]; pad[0] = (char)n; return recurse(n + 1) + pad[0]; }

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  int32_t code = 0;
  nn_load_by_name(P("default"), 7, P(&graph));
  nn_init(graph, P(&context));
  float samples[4] = {0};
  uint32_t dims[2] = {1, 4};
  uint32_t tensor[5] = {P(dims), 2, 1, P(samples), 16};
  if (IS("unknown graph")) code = nn_load_by_name(P("nobody"), 6, P(&out));
  else if (IS("name outside memory")) code = nn_load_by_name(0xfffffff0u, 64, P(&out));
  else if (IS("endless name")) code = nn_load_by_name(0, 0xffffffffu, P(&out));
  else if (IS("result outside memory")) code = nn_load_by_name(P("default"), 7, 0xfffffffeu);
  else if (IS("bytes as model")) code = nn_load(0, 1, 8, 0, P(&out));
  else if (IS("unknown context")) code = nn_compute(4242);
  else if (IS("unknown graph handle")) code = nn_init(4242, P(&out));
  else if (IS("graph used after unload")) { nn_unload(graph); code = nn_init(graph, P(&out)); }
  else if (IS("context used after end")) { nn_finalize(context); code = nn_compute(context); }
  else if (IS("compute without input")) code = nn_compute(context);
  else if (IS("output without compute")) code = nn_get_output(context, 0, P(samples), 16, P(&out));
  else if (IS("tensor outside memory")) code = nn_set_input(context, 0, 0xfffffff8u);
  else if (IS("data outside memory")) { tensor[3] = 0x7fffffffu; code = nn_set_input(context, 0, P(tensor)); }
  else if (IS("huge dims")) { tensor[1] = 0x40000000u; code = nn_set_input(context, 0, P(tensor)); }
  else if (IS("lying dims")) { dims[1] = 0xffffffffu; nn_set_input(context, 0, P(tensor)); code = nn_compute(context); }
  else if (IS("wrong type")) { tensor[2] = 3; nn_set_input(context, 0, P(tensor)); code = nn_compute(context); }
  else if (IS("index too large")) code = nn_set_input(context, 0x80000000u, P(tensor));
  else if (IS("overlapping regions")) { tensor[3] = P(tensor); tensor[4] = 16; nn_set_input(context, 0, P(tensor)); code = nn_compute(context) ? 1 : 0; }
  else if (IS("output over itself")) { nn_set_input(context, 0, P(tensor)); nn_compute(context); code = nn_get_output(context, 0, P(&out), 1 << 20, P(&out)); }
  else if (IS("accept on nothing")) code = sock_accept(77777, P(&out));
  else if (IS("unknown family")) code = sock_open(99, 2, P(&out));
  else if (IS("socket result outside memory")) code = sock_open(1, 2, 0xffffffffu);
  else if (IS("bind outside memory")) { sock_open(1, 2, P(&out)); code = sock_bind(out, 0xfffffff0u, 80); }
  else if (IS("receive with wild iovecs")) { sock_open(1, 2, P(&out)); code = sock_recv(out, 0xfffffff0u, 0x7fffffff, 0, P(&dims), P(&dims)); }
  else if (IS("poll nothing")) code = poll_oneoff_(0, 0, 0, P(&out));
  else if (IS("poll too much")) code = poll_oneoff_(0, 0, 0xffffffffu, P(&out));
  else if (IS("write outside memory")) code = fd_write_(1, 0xfffffff0u, 2, P(&out));
  else if (IS("log outside memory")) host_log(2, 0, 0, 0xfffffff0u, 100);
  else if (IS("many sockets")) { for (int i = 0; i < 5000 && !code; i++) code = sock_open(1, 2, P(&out)); }
  else if (IS("many contexts")) { for (int i = 0; i < 5000 && !code; i++) code = nn_init(graph, P(&out)); }
  else if (IS("loop")) for (;;) sink++;
  else if (IS("sleep")) { uint64_t sub[6] = {0, 0, 1, 3600000000000ull, 0, 0}; uint64_t ev[4]; ((uint32_t *)sub)[4] = 1; code = poll_oneoff_(P(sub), P(ev), 1, P(&out)); }
  else if (IS("accept forever")) { uint32_t any[2]; uint8_t zero[4] = {127, 0, 0, 1}; any[0] = P(zero); any[1] = 4; sock_open(1, 2, P(&out)); sock_bind(out, P(any), 0); sock_listen(out, 4); code = sock_accept(out, P(&out)); }
  else if (IS("trap")) __builtin_trap();
  else if (IS("null call")) { int (*volatile f)(void) = 0; return f(); }
  else if (IS("wild read")) return *(volatile int *)0xfffffff0u;
  else if (IS("recursion")) return recurse(0);
  else if (IS("memory")) { while ((block = malloc(1 << 20))) code++; return code < 100 ? 0 : 1; }
  else if (IS("escape")) { return fopen("/../../../etc/passwd", "r") || fopen("/link", "r") ? 1 : 0; }
  else if (IS("write read-only")) return fopen("/new", "w") ? 1 : 0;
  else return 3;
  return code ? 64 + code : 0;
}
