// A guest for images: does what its arguments say, one after another.
//   args            print the arguments
//   env NAME        print a variable
//   cat PATH        print a file
//   write PATH TEXT make or replace a file
//   rm PATH         remove a file
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "args")) {
            for (int k = 0; k < argc; k++) printf("%s ", argv[k]);
            printf("\n");
        } else if (!strcmp(argv[i], "env") && i + 1 < argc) {
            const char *value = getenv(argv[++i]);
            printf("%s\n", value ? value : "(none)");
        } else if (!strcmp(argv[i], "cat") && i + 1 < argc) {
            char text[4096];
            FILE *file = fopen(argv[++i], "rb");
            if (!file) {
                printf("no %s\n", argv[i]);
                continue;
            }
            printf("%.*s\n", (int)fread(text, 1, sizeof text, file), text);
            fclose(file);
        } else if (!strcmp(argv[i], "write") && i + 2 < argc) {
            FILE *file = fopen(argv[i + 1], "wb");
            if (!file || fputs(argv[i + 2], file) < 0 || fclose(file)) printf("cannot write %s\n", argv[i + 1]);
            i += 2;
        } else if (!strcmp(argv[i], "rm") && i + 1 < argc) {
            if (unlink(argv[++i])) printf("cannot remove %s\n", argv[i]);
        } else {
            printf("what is %s?\n", argv[i]);
            return 2;
        }
    }
    return 0;
}
