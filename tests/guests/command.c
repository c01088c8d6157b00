/* A command of plain C, which the preview1 adapter makes a component: argv[1] says what to do. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define IS(text) (!strcmp(what, text))

static int deep(int n) {
  volatile char room[256];
  room[0] = (char)n;
  return deep(n + 1) + room[0];
}

static void say(const char *name, int result) { printf("%s %s\n", name, result < 0 ? strerror(errno) : "ok"); }

#define DO(call) say(#call, (int)(call))

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  char text[256];
  if (IS("greet")) {
    for (int i = 0; i < argc; i++) printf("%s\n", argv[i]);
    printf("%s %s\n", getenv("GREETING"), getenv("HOME") ? "leaked" : "alone");
    while (fgets(text, sizeof text, stdin)) printf("heard %s", text);
    fprintf(stderr, "to stderr\n");
    return 3;
  }
  if (IS("read")) {
    for (int i = 2; i < argc; i++) {
      int fd = open(argv[i], O_RDONLY);
      ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
      text[size < 0 ? 0 : size] = 0;
      printf("%s: %s\n", argv[i], size < 0 ? strerror(errno) : text);
      if (fd >= 0) close(fd);
    }
    return 0;
  }
  if (IS("change")) {
    int fd = open("/data/new", O_WRONLY | O_CREAT | O_EXCL, 0600);
    say("create", fd);
    say("write", write(fd, "written", 7));
    say("close", close(fd));
    fd = open("/data/new", O_WRONLY | O_APPEND);
    say("append", write(fd, "+more", 5));
    say("close", close(fd));
    say("folder", mkdir("/data/folder", 0700));
    say("rename", rename("/data/new", "/data/folder/moved"));
    say("remove", unlink("/data/old"));
    struct stat found;
    say("stat", stat("/data/folder/moved", &found));
    printf("size %lld\n", (long long)found.st_size);
    return 0;
  }
  if (IS("slashes")) {  // paths that end with a slash or a dot, links in them, and how files are opened
    mkdir("/data/d", 0700);
    close(open("/data/s", O_CREAT | O_WRONLY, 0600));
    symlink("s", "/data/l"), symlink("d", "/data/ld"), symlink("nope", "/data/dang");
    DO(open("/data/s", O_RDWR | O_SYNC));
    DO(open("/data/s", O_WRONLY | O_DSYNC));
    DO(open("/data/s", O_RDONLY | O_RSYNC));
    DO(unlink("/data/s/"));
    DO(unlink("/data/d/"));
    DO(unlink("/data/l/"));
    DO(unlink("/data/ld/"));
    DO(unlink("/data/none/"));
    DO(unlink("/data/dang/"));
    DO(symlink("x", "/data/new/"));
    DO(symlink("x", "/data/s/"));
    DO(symlink("x", "/data/d/"));
    DO(symlink("x", "/data/l/"));
    DO(symlink("x", "/data/dang/"));
    DO(symlink("x", "/data/ld/"));
    DO(mkdir("/data/s/",0777));
    DO(mkdir("/data/m/",0777));
    DO(mkdir("/data/l/",0777));
    DO(mkdir("/data/dang/",0777));
    DO(mkdir("/data/ld/",0777));
    DO(rename("/data/s/","/data/s2"));
    DO(rename("/data/s","/data/s2/"));
    DO(rename("/data/d/","/data/d2/"));
    DO(rename("/data/d2","/data/d/"));
    DO(rename("/data/s","/data/d/"));
    DO(rename("/data/ld/","/data/ld2"));
    DO(rename("/data/ld","/data/ld3/"));
    DO(rename("/data/none/","/data/q"));
    DO(rename("/data/l/","/data/q"));
    DO(link("/data/s/","/data/h"));
    DO(link("/data/s","/data/h/"));
    DO(link("/data/l","/data/hl"));
    DO(link("/data/d","/data/hd"));
    DO(link("/data/l/","/data/hl2"));
    DO(open("/data/s/",O_RDONLY));
    DO(open("/data/nn/",O_CREAT|O_RDWR,0666));
    DO(open("/data/d/",O_RDONLY));
    DO(open("/data/l/",O_RDONLY));
    DO(readlink("/data/l/", text, sizeof text));
    DO(readlink("/data/ld/", text, sizeof text));
    DO(readlink("/data/l", text, sizeof text));
    DO(readlink("/data/s", text, sizeof text));
    DO(unlink("/data/."));
    DO(unlink("/data/d/.."));
    DO(mkdir("/data/.",0777));
    DO(mkdir("/data/d/..",0777));
    DO(rename("/data/d/.","/data/zz"));
    DO(rename("/data/s","/data/d/."));
    DO(symlink("x", "/data/."));
    DO(rename("/data/.","/data/zz"));
    DO(unlink("/data/d/."));
    DO(open("/data/s",O_RDONLY|O_TRUNC));
    DO(open("/data/d",O_RDWR));
    DO(open("/data/d",O_RDONLY|O_CREAT));
    DO(open("/data/s",O_CREAT|O_EXCL|O_RDWR));
    DO(open("/data/dang",O_CREAT|O_RDWR,0666));
    DO(open("/data/l",O_RDONLY|O_NOFOLLOW));
    DO(open("/data/l",O_RDONLY|O_DIRECTORY));
    DO(open("/data/ld",O_RDONLY|O_DIRECTORY));
    DO(open("/data/ld",O_RDONLY|O_DIRECTORY|O_NOFOLLOW));
    return 0;
  }
  if (IS("clock")) {
    struct timespec times[2];
    clock_gettime(CLOCK_REALTIME, &times[0]);
    clock_gettime(CLOCK_MONOTONIC, &times[1]);
    for (int i = 0; i < 2; i++) printf("%lld %ld\n", (long long)times[i].tv_sec, times[i].tv_nsec);
    usleep(2000);
    clock_gettime(CLOCK_MONOTONIC, &times[0]);
    printf("%lld\n", (times[0].tv_sec - times[1].tv_sec) * 1000000000LL + times[0].tv_nsec - times[1].tv_nsec);
    return 0;
  }
  if (IS("spin")) for (;;) what = "spin";
  if (IS("sleep")) sleep(100000);
  if (IS("wait")) return (int)read(0, text, 1);
  if (IS("recurse")) return deep(0);
  if (IS("open")) for (int n = 0;; n++) if (open("/data/old", O_RDONLY) < 0) return printf("%d %s\n", n, strerror(errno)), 0;
  if (IS("grow")) {
    size_t held = 0;
    for (volatile char *piece; (piece = malloc(1 << 20)); held++) *piece = 1;
    printf("%zu\n", held);
    return 0;
  }
  if (IS("flood")) for (;;) if (puts("and on and on and on and on and on") < 0) return 9;
  return 1;
}
