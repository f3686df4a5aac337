"""The demo provider's moving pictures: words to scene, scene to layers, layers to yuv planes."""
