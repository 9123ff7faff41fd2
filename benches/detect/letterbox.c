/* The agent's fused pass as one would write it in C, in the one form that YOLO models take: I420 of BT.709 and limited range,
 * letterboxed, scaled bilinearly, to float planes R, G, B in 0..1. Chroma is brought to luma's size by weights of 3/4 and 1/4, and each
 * of the four pixels that are interpolated is cut to what can be shown. Columns are laid out once per picture.
 *
 *     letterbox FRAME WIDTH HEIGHT SIDE REPETITIONS TENSOR
 *
 * Reads packed I420 from FRAME, prints the CPU milliseconds of each repetition, and writes the last tensor to TENSOR. */
#define _POSIX_C_SOURCE 199309L

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct axis {
    int *first;
    float *weight;
};

static struct axis lay_out(int count, int source, float ratio) {
    struct axis axis = {malloc((size_t)count * sizeof(int)), malloc((size_t)count * sizeof(float))};
    for (int i = 0; i < count; i++) {
        float at = ((float)i + 0.5f) * ratio - 0.5f;
        if (at < 0.0f) at = 0.0f;
        int first = (int)at;
        if (first > source - 2) first = source - 2;
        axis.first[i] = first, axis.weight[i] = at - (float)first > 1.0f ? 1.0f : at - (float)first;
    }
    return axis;
}

static void discard(struct axis axis) { free(axis.first), free(axis.weight); }

static inline float cut(float v) { return v < 0.0f ? 0.0f : v > 1.0f ? 1.0f : v; }

/* The row of chroma next to the one that a row of luma has. */
static inline int next_to(int luma, int count) {
    int near = luma / 2;
    return luma % 2 == 0 ? (near > 0 ? near - 1 : 0) : near < count - 1 ? near + 1 : near;
}

/* Chroma of a row of luma, with a sample more at each end. */
static void mix(const uint8_t *plane, int luma, int width, int height, float *restrict out) {
    const uint8_t *near = plane + luma / 2 * width, *next = plane + next_to(luma, height) * width;
    for (int x = 0; x < width; x++) out[x + 1] = 0.75f * (float)near[x] + 0.25f * (float)next[x] - 128.0f;
    out[0] = out[1], out[width + 1] = out[width];
}

/* Chroma of a column of luma. */
static inline float doubled(const float *row, int luma) {
    int near = luma / 2 + 1;
    return 0.75f * row[near] + 0.25f * row[luma % 2 == 0 ? near - 1 : near + 1];
}

static inline float between(float from, float to, float share) { return from + share * (to - from); }

static void letterbox(const uint8_t *frame, int width, int height, float *restrict out, int side) {
    const float gain = 1.164384f / 255.0f;
    const uint8_t *luma = frame, *cb = luma + width * height, *cr = cb + width * height / 4;
    float scale = (float)side / (float)(width > height ? width : height);
    int inner_width = (int)((float)width * scale + 0.5f), inner_height = (int)((float)height * scale + 0.5f);
    int left = (side - inner_width) / 2, top = (side - inner_height) / 2, half = width / 2;
    size_t plane = (size_t)side * (size_t)side, row_size = (size_t)(half + 2) * sizeof(float);
    struct axis ax = lay_out(inner_width, width, (float)width / (float)inner_width);
    struct axis ay = lay_out(inner_height, height, (float)height / (float)inner_height);
    float *restrict u[2] = {malloc(row_size), malloc(row_size)}, *restrict v[2] = {malloc(row_size), malloc(row_size)};
    for (int row = 0; row < inner_height; row++) {
        int first_row = ay.first[row];
        for (int r = 0; r < 2; r++) {
            mix(cb, first_row + r, half, height / 2, u[r]);
            mix(cr, first_row + r, half, height / 2, v[r]);
        }
        size_t at = (size_t)(row + top) * (size_t)side + (size_t)left;
        for (int x = 0; x < inner_width; x++) {
            float rows[2][3];
            for (int r = 0; r < 2; r++) {
                float pixels[2][3];
                for (int c = 0; c < 2; c++) {
                    int column = ax.first[x] + c;
                    float y = gain * ((float)luma[(first_row + r) * width + column] - 16.0f);
                    float b = doubled(u[r], column), d = doubled(v[r], column);
                    pixels[c][0] = cut(y + 1.792741f / 255.0f * d);
                    pixels[c][1] = cut(y - 0.213249f / 255.0f * b - 0.532909f / 255.0f * d);
                    pixels[c][2] = cut(y + 2.112402f / 255.0f * b);
                }
                for (int i = 0; i < 3; i++) rows[r][i] = between(pixels[0][i], pixels[1][i], ax.weight[x]);
            }
            for (size_t i = 0; i < 3; i++)
                out[i * plane + at + (size_t)x] = between(rows[0][i], rows[1][i], ay.weight[row]);
        }
    }
    discard(ax), discard(ay), free(u[0]), free(u[1]), free(v[0]), free(v[1]);
}

static double cpu_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

int main(int argc, char **argv) {
    if (argc != 7) return 2;
    int width = atoi(argv[2]), height = atoi(argv[3]), side = atoi(argv[4]), repetitions = atoi(argv[5]);
    size_t frame_size = (size_t)width * (size_t)height * 3 / 2, tensor_len = 3 * (size_t)side * (size_t)side;
    uint8_t *frame = malloc(frame_size);
    float *tensor = malloc(tensor_len * sizeof(float));
    for (size_t i = 0; i < tensor_len; i++) tensor[i] = 128.0f / 255.0f;
    FILE *in = fopen(argv[1], "rb");
    if (!in || fread(frame, 1, frame_size, in) != frame_size) return 1;
    fclose(in);
    for (int i = 0; i < repetitions; i++) {
        double before = cpu_ms();
        letterbox(frame, width, height, tensor, side);
        printf("%f\n", cpu_ms() - before);
    }
    FILE *out = fopen(argv[6], "wb");
    return !out || fwrite(tensor, sizeof(float), tensor_len, out) != tensor_len || fclose(out);
}
