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
    int *middle; /* Of three chroma samples. */
    float *before, *after;
};

static struct axis lay_out(int count, int source, float ratio) {
    size_t ints = (size_t)count * sizeof(int), floats = (size_t)count * sizeof(float);
    struct axis axis = {malloc(ints), malloc(floats), malloc(ints), malloc(floats), malloc(floats)};
    for (int i = 0; i < count; i++) {
        float at = ((float)i + 0.5f) * ratio - 0.5f;
        if (at < 0.0f) at = 0.0f;
        int first = (int)at;
        if (first > source - 2) first = source - 2;
        float weight = at - (float)first > 1.0f ? 1.0f : at - (float)first;
        axis.first[i] = first, axis.weight[i] = weight, axis.middle[i] = first / 2;
        axis.before[i] = first % 2 == 0 ? 0.25f * (1.0f - weight) : 0.0f;
        axis.after[i] = first % 2 == 0 ? 0.25f * weight : 0.25f + 0.5f * weight;
    }
    return axis;
}

static void discard(struct axis axis) {
    free(axis.first), free(axis.weight), free(axis.middle), free(axis.before), free(axis.after);
}

static inline float cut(float v, float low, float high) { return v < low ? low : v > high ? high : v; }

/* Three rows of a chroma plane around one, into a row of floats with a sample more at each end. */
static void mix(const uint8_t *plane, int row, int width, int height, float before, float after, float *restrict out) {
    const uint8_t *b = plane + row * width;
    const uint8_t *a = row > 0 ? b - width : b, *c = row < height - 1 ? b + width : b;
    float middle = 1.0f - before - after;
    for (int x = 0; x < width; x++) out[x + 1] = before * (float)a[x] + middle * (float)b[x] + after * (float)c[x];
    out[0] = out[1], out[width + 1] = out[width];
}

static inline float channel(const float luma[4], float color, float fx, float fy) {
    const float gain = 1.164384f / 255.0f;
    float low = -color, high = 1.0f - color, y[4];
    for (int i = 0; i < 4; i++) y[i] = cut(gain * (luma[i] - 16.0f), low, high);
    float top = y[0] + fx * (y[1] - y[0]), bottom = y[2] + fx * (y[3] - y[2]);
    return top + fy * (bottom - top) + color;
}

static void letterbox(const uint8_t *frame, int width, int height, float *restrict out, int side) {
    const uint8_t *luma = frame, *cb = luma + width * height, *cr = cb + width * height / 4;
    float scale = (float)side / (float)(width > height ? width : height);
    int inner_width = (int)((float)width * scale + 0.5f), inner_height = (int)((float)height * scale + 0.5f);
    int left = (side - inner_width) / 2, top = (side - inner_height) / 2, half = width / 2;
    float *restrict red = out, *restrict green = out + side * side, *restrict blue = out + 2 * side * side;
    struct axis ax = lay_out(inner_width, width, (float)width / (float)inner_width);
    struct axis ay = lay_out(inner_height, height, (float)height / (float)inner_height);
    float *restrict u = malloc((size_t)(half + 2) * sizeof(float)), *restrict v = malloc((size_t)(half + 2) * sizeof(float));
    for (int row = 0; row < inner_height; row++) {
        const uint8_t *upper = luma + ay.first[row] * width, *lower = upper + width;
        mix(cb, ay.middle[row], half, height / 2, ay.before[row], ay.after[row], u);
        mix(cr, ay.middle[row], half, height / 2, ay.before[row], ay.after[row], v);
        float fy = ay.weight[row];
        size_t at = (size_t)(row + top) * (size_t)side + (size_t)left;
        for (int x = 0; x < inner_width; x++) {
            int first = ax.first[x], middle = ax.middle[x];
            float y[4] = {upper[first], upper[first + 1], lower[first], lower[first + 1]};
            float before = ax.before[x], after = ax.after[x], own = 1.0f - before - after, fx = ax.weight[x];
            float b = before * u[middle] + own * u[middle + 1] + after * u[middle + 2] - 128.0f;
            float r = before * v[middle] + own * v[middle + 1] + after * v[middle + 2] - 128.0f;
            red[at + (size_t)x] = channel(y, 1.792741f / 255.0f * r, fx, fy);
            green[at + (size_t)x] = channel(y, -0.213249f / 255.0f * b - 0.532909f / 255.0f * r, fx, fy);
            blue[at + (size_t)x] = channel(y, 2.112402f / 255.0f * b, fx, fy);
        }
    }
    discard(ax), discard(ay), free(u), free(v);
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
