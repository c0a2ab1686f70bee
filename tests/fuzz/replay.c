/* Runs a fuzz target with every file of the directories that are its arguments, in place of libFuzzer. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>

#define LARGEST (1 << 20)

static void run(const char *path)
{
    static uint8_t bytes[LARGEST];
    FILE *file = fopen(path, "rb");
    require(file != NULL);
    size_t size = fread(bytes, 1, sizeof(bytes), file);
    require(feof(file) && !ferror(file));
    fclose(file);
    fprintf(stderr, "%s\n", path); /* the last one is that which failed */
    LLVMFuzzerTestOneInput(bytes, size);
}

static size_t run_directory(const char *path)
{
    DIR *directory = opendir(path);
    size_t count = 0;
    require(directory != NULL);
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        char name[4096];
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.') {
            run(name);
            count++;
        }
    }
    closedir(directory);
    return count;
}

int main(int count, char **arguments)
{
    size_t runs = 0;
    if (LLVMFuzzerInitialize != NULL) {
        LLVMFuzzerInitialize(&count, &arguments);
    }
    for (int i = 1; i < count; i++) {
        runs += run_directory(arguments[i]);
    }
    printf("%zu inputs\n", runs);
    return runs == 0;
}
