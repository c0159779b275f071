"""The eight lines of PyTorch that write the files which are opened here; shown to people, and run by a test."""

LINES = """\
import numpy, torch
vae.eval().cpu()  # yours: encode(x) gives mean and ln σ², decode(z) gives images
with torch.no_grad(): parts = [vae.encode(x) for x in images.split(256)]
mean, logvar = (torch.cat(part).numpy() for part in zip(*parts))
numpy.savez("latents.npz", mean=mean, logvar=logvar)
numpy.save("images.npy", images.numpy())
vae.forward = vae.decode; n = {0: torch.export.Dim("n")}
torch.onnx.export(vae, (torch.tensor(mean[:2]),), "decoder.onnx", dynamo=True, dynamic_shapes=[n], external_data=False)
"""
ENCODER = """\
vae.forward = vae.encode  # if you want the encoder too
torch.onnx.export(vae, (images[:2],), "encoder.onnx", dynamo=True, dynamic_shapes=[n], external_data=False)
"""
