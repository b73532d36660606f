/* The normal distribution function that GELU needs, as a polynomial that CPU and GPU share. */
#ifndef FD_BASE_NORMAL_H
#define FD_BASE_NORMAL_H

/* Phi(x) = 1/2 + x P(s), s = 2 x^2 / 5.5^2 - 1, on |x| <= 5.5; beyond, Phi is that of +-5.5, within 3e-8 of 0 or 1:
 * GELU(x) is then within 3e-8 |x| of 0 or x. P interpolates (Phi(x) - 1/2) / x at the 16 Chebyshev points; the error is below
 * 1.2e-7. */
#define FD_NORMAL_CDF_END 5.5f
#define FD_NORMAL_CDF_TERMS 16
#define FD_NORMAL_CDF                                                                                                           \
  {                                                                                                                             \
    0.1285519301891327f, -0.06417232751846313f, 0.047737784683704376f, -0.0387934073805809f, 0.0320674292743206f,               \
        -0.026040369644761086f, 0.020383572205901146f, -0.015042350627481937f, 0.01016775518655777f, -0.006700172089040279f,    \
        0.004718356300145388f, -0.0025937105529010296f, 0.000643707811832428f, -0.0004001957713626325f, 0.0006551481783390045f, \
        -0.00027406602748669684f                                                                                                \
  }

#endif
