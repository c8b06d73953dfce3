// Products with float weights: the definition.
#include "layout.h"
#include "scalar.h"

#include <math.h>
#include <string.h>

static float element(lathe_packing packing, const uint8_t *tile, size_t index) {
    if (packing == LATHE_F32) { return ((const float *)tile)[index]; }
    const uint16_t half = ((const uint16_t *)tile)[index];
    if (packing == LATHE_F16) { return lathe_f16_to_f32(half); }
    const uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void product_float(const lathe_product *product, lathe_packing packing) {
    const size_t columns = product->columns;
    for (size_t tile = product->tile_begin; tile < lathe_last_tile(product); tile++) {
        const uint8_t *weights = product->weights + tile * columns * LATHE_TILE_ROWS * lathe_element_bytes(packing);
        for (size_t row = 0; row < product->rows; row++) {
            const float *x = (const float *)(product->input + row * product->input_stride);
            for (size_t i = 0; i < lathe_tile_outputs(product, tile); i++) {
                float sum = 0.0f;
                for (size_t k = 0; k < columns; k++) {
                    sum = fmaf(element(packing, weights, k * LATHE_TILE_ROWS + i), x[k], sum);
                }
                const size_t output = tile * LATHE_TILE_ROWS + i;
                float *y = product->output + row * product->output_stride + output;
                if (product->bias != NULL) { sum = sum + product->bias[output]; }
                *y = product->accumulate ? sum + *y : sum;
            }
        }
    }
}

void lathe_f32_scalar(const lathe_product *product) { product_float(product, LATHE_F32); }
void lathe_f16_scalar(const lathe_product *product) { product_float(product, LATHE_F16); }
void lathe_bf16_scalar(const lathe_product *product) { product_float(product, LATHE_BF16); }
