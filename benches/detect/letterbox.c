/* The agent's fused pass as one would write it in C, in the one form that YOLO models take: I420 of BT.709 and limited range,
 * letterboxed, scaled bilinearly, to float planes R, G, B in 0..1. Columns are laid out once per picture.
 *
 *     letterbox FRAME WIDTH HEIGHT SIDE REPETITIONS TENSOR
 *
 * Reads packed I420 from FRAME, prints the CPU milliseconds of each repetition, and writes the last tensor to TENSOR. */
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
        axis.first[i] = first;
        axis.weight[i] = at - (float)first > 1.0f ? 1.0f : at - (float)first;
    }
    return axis;
}

static inline float clamp01(float v) { return v < 0.0f ? 0.0f : v > 1.0f ? 1.0f : v; }

static inline float sample(const uint8_t *upper, const uint8_t *lower, int x, float fx, float fy) {
    float top = (float)upper[x] + fx * ((float)upper[x + 1] - (float)upper[x]);
    float bottom = (float)lower[x] + fx * ((float)lower[x + 1] - (float)lower[x]);
    return top + fy * (bottom - top);
}

static void letterbox(const uint8_t *frame, int width, int height, float *restrict out, int side) {
    const uint8_t *luma = frame, *cb = luma + width * height, *cr = cb + width * height / 4;
    float scale = (float)side / (float)(width > height ? width : height);
    int inner_width = (int)((float)width * scale + 0.5f), inner_height = (int)((float)height * scale + 0.5f);
    int left = (side - inner_width) / 2, top = (side - inner_height) / 2, half = width / 2;
    float *restrict red = out, *restrict green = out + side * side, *restrict blue = out + 2 * side * side;
    float ratio_x = (float)width / (float)inner_width, ratio_y = (float)height / (float)inner_height;
    struct axis lx = lay_out(inner_width, width, ratio_x), cx = lay_out(inner_width, half, ratio_x / 2.0f);
    struct axis ly = lay_out(inner_height, height, ratio_y), cy = lay_out(inner_height, height / 2, ratio_y / 2.0f);
    const float gain = 1.164384f / 255.0f;
    for (int row = 0; row < inner_height; row++) {
        const uint8_t *y = luma + ly.first[row] * width, *b = cb + cy.first[row] * half, *r = cr + cy.first[row] * half;
        float fy = ly.weight[row], fc = cy.weight[row];
        size_t at = (size_t)(row + top) * (size_t)side + (size_t)left;
        for (int x = 0; x < inner_width; x++) {
            float l = gain * (sample(y, y + width, lx.first[x], lx.weight[x], fy) - 16.0f);
            float u = sample(b, b + half, cx.first[x], cx.weight[x], fc) - 128.0f;
            float v = sample(r, r + half, cx.first[x], cx.weight[x], fc) - 128.0f;
            red[at + (size_t)x] = clamp01(l + 1.792741f / 255.0f * v);
            green[at + (size_t)x] = clamp01(l - 0.213249f / 255.0f * u - 0.532909f / 255.0f * v);
            blue[at + (size_t)x] = clamp01(l + 2.112402f / 255.0f * u);
        }
    }
    free(lx.first), free(lx.weight), free(cx.first), free(cx.weight);
    free(ly.first), free(ly.weight), free(cy.first), free(cy.weight);
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
