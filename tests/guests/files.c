// Works on files as programs do, in /data (writable) and /fixed (read-only); prints what it finds, line by line.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

__attribute__((import_module("wasi_snapshot_preview1"), import_name("fd_renumber"))) int renumber(int from, int to);

static void say(const char *what, int result) { printf("%s: %d\n", what, result < 0 ? -errno : result); }

int main(void) {
  struct stat found;
  char line[64] = {0};
  FILE *file = fopen("/data/new.txt", "w");
  say("write", fprintf(file, "first\nsecond\n"));
  fclose(file);
  file = fopen("/data/new.txt", "a");
  fputs("third\n", file);
  fclose(file);
  say("mkdir", mkdir("/data/folder", 0755));
  say("rename", rename("/data/new.txt", "/data/folder/renamed.txt"));
  say("stat", stat("/data/folder/renamed.txt", &found));
  say("size", (int)found.st_size);
  int fd = open("/data/folder/renamed.txt", O_RDWR);
  say("seek", (int)lseek(fd, 6, SEEK_SET));
  say("read", (int)read(fd, line, 6));
  say("same", strcmp(line, "second"));
  say("truncate", ftruncate(fd, 12));
  close(fd);
  say("symlink", symlink("renamed.txt", "/data/folder/link"));
  file = fopen("/data/folder/link", "r");
  say("through a link", file && fgets(line, sizeof line, file) ? 0 : -1);
  fclose(file);
  int entries = 0;
  DIR *folder = opendir("/data/folder");
  for (struct dirent *entry; (entry = readdir(folder));) entries += entry->d_name[0] != '.';
  closedir(folder);
  say("entries", entries);
  say("exclusive", open("/data/folder/renamed.txt", O_CREAT | O_EXCL | O_WRONLY, 0644));
  say("unlink", unlink("/data/folder/link"));
  say("remove a full folder", rmdir("/data/folder"));
  say("missing", open("/data/none", O_RDONLY));
  say("read-only: read", (fd = open("/fixed/given.txt", O_RDONLY)) >= 0 && read(fd, line, 5) == 5 ? 0 : -1);
  say("read-only: write", open("/fixed/given.txt", O_WRONLY) < 0 ? 0 : 1);
  say("read-only: create", open("/fixed/other.txt", O_CREAT | O_WRONLY, 0644) < 0 ? 0 : 1);
  say("read-only: unlink", unlink("/fixed/given.txt") < 0 ? 0 : 1);
  say("read-only: mkdir", mkdir("/fixed/folder", 0755) < 0 ? 0 : 1);
  say("escape by ..", open("/data/../../secret", O_RDONLY) < 0 ? 0 : 1);
  say("escape by a link", open("/data/way-out", O_RDONLY) < 0 ? 0 : 1);
  say("escape by a linked folder", open("/data/folder-out/secret", O_RDONLY) < 0 ? 0 : 1);
  say("make a link out", symlink("/etc", "/data/etc") < 0 ? 0 : open("/data/etc/passwd", O_RDONLY) < 0 ? 0 : 1);
  say("rename out", rename("/data/folder", "/data/../moved") < 0 ? 0 : 1);
  fflush(stdout);
  say("stdout renumbered", renumber(open("/data/stdout.txt", O_CREAT | O_WRONLY, 0644), 1));
  return 0;
}
